package heartbeat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// Options are what may be left out.
type Options struct {
	// Interval is the time between messages, varied by a tenth, 10 ms to 1 min; 0 means 1 s. A message may
	// take as long.
	Interval time.Duration
	// Client sends them; nil: one that follows no redirects.
	Client *http.Client
	// Logger is told when a balancer does not take them, and when it does again; nil: nobody.
	Logger *slog.Logger
}

// A Sender tells balancers how a backend is.
type Sender struct {
	name    string
	targets []target
	key     []byte
	how     func() balance.Report
	o       Options

	mu       sync.Mutex
	sequence int64
	failing  map[string]bool
}

// A target is a balancer.
type target struct {
	url  string
	wake chan struct{} // capacity 1
}

// NewSender returns a sender for the backend that the balancers know by the name. targets are the
// addresses of their receivers, key is of 16 bytes or more, and how says at any time how the backend is; it must
// not block. All mistakes are reported at once.
func NewSender(name string, targets []string, key []byte, how func() balance.Report, o *Options) (*Sender, error) {
	s := &Sender{name: name, key: append([]byte(nil), key...), how: how, failing: map[string]bool{}}
	if o != nil {
		s.o = *o
	}
	errs := []error{checkKeys([][]byte{key})}
	if name == "" || len(name) > maxName {
		errs = append(errs, fmt.Errorf("heartbeat: the name must have 1 to %d bytes", maxName))
	}
	if how == nil {
		errs = append(errs, errors.New("heartbeat: nobody says how the backend is"))
	}
	if len(targets) == 0 {
		errs = append(errs, errors.New("heartbeat: there is no balancer to send to"))
	}
	for i, t := range targets {
		s.targets = append(s.targets, target{t, make(chan struct{}, 1)})
		if u, err := url.Parse(t); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			errs = append(errs, fmt.Errorf("heartbeat: target %d must be the address of a receiver, like http://192.0.2.1/heartbeat", i+1))
		}
	}
	if s.o.Interval == 0 {
		s.o.Interval = time.Second
	}
	if s.o.Interval < 10*time.Millisecond || s.o.Interval > time.Minute {
		errs = append(errs, fmt.Errorf("heartbeat: Options.Interval is %v; it must be between 10ms and 1m, or 0 for 1s", s.o.Interval))
	}
	if s.o.Client == nil {
		s.o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if s.o.Logger == nil {
		s.o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Now has messages sent at once, because something has changed that balancers should know soon. It may be
// called at any time and does not wait.
func (s *Sender) Now() {
	for _, t := range s.targets {
		select {
		case t.wake <- struct{}{}:
		default: // it is about to be sent
		}
	}
}

// Run sends until ctx ends; then it says that the backend is draining, and returns nil. That a balancer
// cannot be reached is no error, and holds up no other.
func (s *Sender) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, t := range s.targets {
		all.Go(func() { s.tell(ctx, t) })
	}
	all.Wait()
	return nil
}

// tell sends to one balancer.
func (s *Sender) tell(ctx context.Context, t target) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r := s.how()
			r.Draining = true
			s.send(context.WithoutCancel(ctx), t, r)
			return
		case <-t.wake:
		case <-timer.C:
		}
		s.send(ctx, t, s.how())
		timer.Reset(s.o.Interval + time.Duration((rand.Float64()-0.5)/5*float64(s.o.Interval)))
	}
}

// send sends one message.
func (s *Sender) send(ctx context.Context, t target, r balance.Report) {
	s.mu.Lock()
	s.sequence++
	m := message{Name: s.name, Time: time.Now().UnixMilli(), Sequence: s.sequence, Load: r.Load, Draining: r.Draining}
	s.mu.Unlock()
	body, err := json.Marshal(m)
	if err != nil { // a load that is no number
		s.o.Logger.Error("a heartbeat cannot be written", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Interval)
	defer cancel()
	s.note(t.url, s.post(ctx, t.url, body, sign(s.key, body)))
}

func (s *Sender) post(ctx context.Context, target string, body []byte, signature string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(SignatureField, signature)
	res, err := s.o.Client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxMessage))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("status %d: %s", res.StatusCode, strings.TrimSpace(string(text)))
	}
	return nil
}

// note says what has changed.
func (s *Sender) note(target string, err error) {
	s.mu.Lock()
	was := s.failing[target]
	s.failing[target] = err != nil
	s.mu.Unlock()
	switch {
	case err != nil && !was:
		s.o.Logger.Warn("a balancer does not take heartbeats", "target", target, "error", err)
	case err == nil && was:
		s.o.Logger.Info("a balancer takes heartbeats again", "target", target)
	}
}
