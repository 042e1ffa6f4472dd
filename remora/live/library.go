package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sugarlabs/beamrider/remora"
)

// Options tune a Library. The zero value, or nil, is good.
type Options struct {
	// Path names the file the View is saved to and loaded from; "" keeps it in memory only. Its
	// folder must exist.
	Path string
	// Poll is how often the feed is asked after a change (250 ms if 0), Idle how often when
	// nothing has changed for a while (500 ms if 0).
	Poll, Idle time.Duration
	// StaleAfter is how long without an answer of the feed until the View counts as stale (5 s if 0).
	StaleAfter time.Duration
	// Downloads is how often the download counts are read (1 minute if 0).
	Downloads time.Duration
	// Primary returns a context for calls of the feed that the database with the latest writes must
	// answer. nil says that no other database ever answers: then an answer older than the View means
	// that history went back, and the View goes back with it. With Primary, an answer may come from
	// a replica that lags: it is asked whether an older answer or a gap is the truth, and while it
	// does not answer either, the View stays as it is.
	Primary func(ctx context.Context) context.Context
	// Logger hears of trouble; nil: nobody does.
	Logger *slog.Logger
}

// A Library follows a feed. Make it with [New], then call Run.
type Library struct {
	feed   remora.Feed
	o      Options
	log    *slog.Logger
	limits limits

	view  atomic.Pointer[View]
	ready chan struct{}
	once  sync.Once
	mark  atomic.Pointer[mark]
	pull  singleflight.Group
	asked atomic.Int64 // number of the last question begun
	heard atomic.Int64 // number of the last question whose answer is in the View

	// life ends with Run, and with it the questions of Refresh.
	life context.Context
	end  context.CancelFunc

	mu      sync.Mutex // guards what follows; held while a change is applied
	contact time.Time  // of the last answer of the feed, if need be to an earlier process
	fault   error      // of the last question, nil if answered
	state   layers
	saved   remora.Position
	downs   map[int64]int64
	recent  recent
	changed chan struct{} // closed when the position changes

	unsaved bool // the last save failed; for the goroutine that saves alone
}

// Status is how a Library stands.
type Status struct {
	Position   remora.Position
	Activities int
	// Contact is when the feed last gave an answer not older than the View, as far as known; zero:
	// never.
	Contact time.Time
	// Stale says that Contact was longer ago than Options.StaleAfter.
	Stale bool
	// Fault is why the last question was not answered, or why the View has been ahead of the
	// answers for longer than Options.StaleAfter.
	Fault error
	Ready bool // there is something to serve
}

// New returns a Library that will follow feed. It starts nothing and touches nothing.
func New(feed remora.Feed, o *Options) (*Library, error) {
	var wrong []error
	if feed == nil {
		wrong = append(wrong, errors.New("live: a feed is required"))
	}
	l := &Library{feed: feed, limits: usualLimits, ready: make(chan struct{}), changed: make(chan struct{})}
	if o != nil {
		l.o = *o
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
		name  string
	}{
		{&l.o.Poll, 250 * time.Millisecond, "Poll"},
		{&l.o.Idle, 500 * time.Millisecond, "Idle"},
		{&l.o.StaleAfter, 5 * time.Second, "StaleAfter"},
		{&l.o.Downloads, time.Minute, "Downloads"},
	} {
		if *d.value < 0 {
			wrong = append(wrong, fmt.Errorf("live: Options.%s is negative", d.name))
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	l.log = l.o.Logger
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.view.Store(emptyView())
	l.life, l.end = context.WithCancel(context.Background())
	return l, nil
}

// View returns the present picture; before the first one is loaded, an empty one.
func (l *Library) View() *View { return l.view.Load() }

// Ready is closed once there is a picture to serve, from the feed or from the file.
func (l *Library) Ready() <-chan struct{} { return l.ready }

// Status returns how the library stands now.
func (l *Library) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status()
}

func (l *Library) status() Status {
	v := l.View()
	s := Status{Position: v.Position(), Activities: v.Len(), Contact: l.contact, Fault: l.fault}
	s.Stale = time.Since(l.contact) > l.o.StaleAfter
	select {
	case <-l.ready:
		s.Ready = true
	default:
	}
	return s
}

// mark is the text of Mark and what it was made for; it is kept because every answer carries it
// and it changes once a second at most.
type mark struct {
	until time.Time
	seq   int64
	text  string
}

// Mark returns how old the picture is, as the value of the header Remora-Snapshot:
// "seq=N, age=S" with S the seconds since the store last answered, and ", stale" behind it when
// that is longer than Options.StaleAfter.
func (l *Library) Mark() string {
	seq := l.View().Position().Seq
	now := time.Now()
	if m := l.mark.Load(); m != nil && m.seq == seq && now.Before(m.until) {
		return m.text
	}
	s := l.Status()
	age := 0
	if !s.Contact.IsZero() {
		age = max(int(now.Sub(s.Contact)/time.Second), 0)
	}
	m := &mark{until: now.Add(time.Second / 2), seq: seq, text: fmt.Sprintf("seq=%d, age=%d", seq, age)}
	if s.Stale {
		m.text += ", stale"
	}
	l.mark.Store(m)
	return m.text
}

// Refresh asks the feed now instead of at the next poll, and returns when its answer is in the
// View. Calls at the same time share one question, but only one that was begun after the call: what
// the caller has written before is in the answer. It returns early when ctx ends, and with an
// error once Run has returned. It must not be called from a method of the feed.
func (l *Library) Refresh(ctx context.Context) error {
	before := l.asked.Load()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		done := l.pull.DoChan("", func() (any, error) {
			if heard := l.heard.Load(); heard > before {
				return answer{question: heard}, nil // asked and answered between the call and now
			}
			// The question must not die with the first of several who wait for it.
			life, cancel := context.WithTimeout(l.life, loadTimeout)
			defer cancel()
			return l.ask(life)
		})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-done:
			if r.Val.(answer).question > before {
				return r.Err
			}
		}
	}
}

// feedTimeout bounds one question to the feed; a full load is bounded by loadTimeout.
const (
	feedTimeout = 5 * time.Second
	loadTimeout = 10 * time.Minute
)

// Run follows the feed until ctx ends, then saves the View and returns. All it started has ended
// then, and so have the questions of Refresh. It must be called once.
func (l *Library) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.end)()
	if l.o.Path != "" {
		l.restore()
	}
	var wg sync.WaitGroup
	kick := make(chan struct{}, 1) // to the folder: there may be something to merge
	wg.Go(func() { l.foldLoop(ctx, kick) })
	l.poll(ctx, kick)
	wg.Wait()
	l.end()
	// Waits for a question that Refresh has begun; a later one sees that life is over.
	_, err, _ := l.pull.Do("", func() (any, error) { return answer{}, nil })
	if err != nil {
		l.log.Debug("the last question to the catalog was given up", "error", err)
	}
	l.save()
	return nil
}

func (l *Library) poll(ctx context.Context, kick chan<- struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var changedAt, failingSince, counted time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		changed, err := l.step(ctx)
		now := time.Now()
		wait := l.o.Idle
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if failingSince.IsZero() {
				failingSince = now
				l.log.Warn("the catalog does not answer; serving the last view", "error", err)
			}
			// Slower and slower, but never so slow that a person notices the recovery late.
			wait = min(l.o.Idle+now.Sub(failingSince)/4, 2*time.Second)
		default:
			if !failingSince.IsZero() {
				l.log.Info("the catalog answers again", "away", now.Sub(failingSince).Round(time.Millisecond))
				failingSince = time.Time{}
			}
			if changed {
				changedAt = now
			}
			if now.Sub(changedAt) < 10*time.Second {
				wait = l.o.Poll
			}
			if now.Sub(counted) > l.o.Downloads {
				counted = now
				l.countDownloads(ctx)
			}
			select {
			case kick <- struct{}{}:
			default:
			}
		}
		timer.Reset(wait)
	}
}

// step asks once, with a full load where the feed cannot tell what changed.
func (l *Library) step(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	v, err, _ := l.pull.Do("", func() (any, error) { return l.ask(ctx) })
	return v.(answer).changed, err
}

// An answer is what came of one question to the feed; questions are numbered as they begin.
type answer struct {
	question int64
	changed  bool
}

// ask must not run twice at once; l.pull sees to it.
func (l *Library) ask(ctx context.Context) (a answer, err error) {
	a.question = l.asked.Add(1)
	if err := ctx.Err(); err != nil {
		return a, fmt.Errorf("live: the library has been stopped: %w", err)
	}
	a.changed, err = l.follow(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = err
	if errors.Is(err, errLags) {
		// A replica that has not yet applied what is shown is nothing to speak of, unless it lasts.
		if time.Since(l.contact) <= l.o.StaleAfter {
			l.fault = nil
		}
		l.heard.Store(a.question)
		return a, nil
	}
	if err == nil {
		l.contact = time.Now()
		l.heard.Store(a.question)
		l.once.Do(func() { close(l.ready) })
	}
	return a, err
}

// errLags is matched by what follow returns when all it could ask is older than the View.
var errLags = &remora.Error{Kind: remora.KindUnavailable, Code: "feed.lags"}

func (l *Library) follow(ctx context.Context) (changed bool, err error) {
	at := l.View().Position()
	if at == (remora.Position{}) {
		return l.load(ctx, at)
	}
	delta, err := l.since(ctx, at)
	switch {
	case err == nil && !older(delta.Position, at):
		return l.apply(delta), nil
	case err != nil && !errors.Is(err, remora.ErrGap):
		return false, err
	}
	if l.o.Primary != nil {
		// This may have been a replica that lags, and of a lagging one there is nothing to learn.
		primary := l.o.Primary(ctx)
		now, fault := l.since(primary, at)
		switch {
		case fault == nil && !older(now.Position, at):
			return l.apply(now), nil
		case fault == nil || errors.Is(fault, remora.ErrGap):
			ctx, at = primary, remora.Position{} // it has the last word, also when it goes back
		case err == nil:
			return false, lags(delta.Position, at, fault)
		default:
			// Nobody else can tell; what is loaded must only not be older.
			l.log.Debug("the primary database cannot be asked about a gap in the change feed", "error", fault)
		}
	} else {
		at = remora.Position{}
	}
	shown := l.View().Position()
	l.log.Info("the change feed has a gap; loading the whole catalog", "epoch", shown.Epoch, "seq", shown.Seq)
	return l.load(ctx, at)
}

func (l *Library) since(ctx context.Context, at remora.Position) (remora.Delta, error) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	return l.feed.Since(ctx, at)
}

// load replaces the View, but not by one that is older than a position.
func (l *Library) load(ctx context.Context, than remora.Position) (changed bool, err error) {
	var b remora.SnapshotBuilder
	header, err := l.feed.Load(ctx, func(a remora.Activity) error {
		b.Add(a)
		return nil
	})
	if err != nil {
		return false, err
	}
	if older(header.Position, than) {
		return false, lags(header.Position, than, nil)
	}
	base := finishLayer(ctx, &b, header, nil)
	if err := ctx.Err(); err != nil {
		return false, err
	}
	l.replace(base, header)
	return true, nil
}

// older reports whether p lies before at; positions of different epochs cannot be compared.
func older(p, at remora.Position) bool { return p.Epoch == at.Epoch && p.Seq < at.Seq }

func lags(p, at remora.Position, cause error) error {
	return &remora.Error{Kind: errLags.Kind, Op: "live.follow", Code: errLags.Code, Err: cause, Message: fmt.Sprintf(
		"The database that answers is at change %d, behind change %d that is shown already. Wait until the replica has caught up, or bring the primary back.", p.Seq, at.Seq)}
}

func (l *Library) countDownloads(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	counts, err := l.feed.Downloads(ctx)
	if err != nil {
		l.log.Warn("cannot read the download counts; showing the last ones", "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.downs = counts
}
