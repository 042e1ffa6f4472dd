package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// A queue holds bundles that are to be sent again. It never holds more than were under way at once:
// while there is one, no new bundle is sent.
type queue struct {
	mu   sync.Mutex
	list []*bundle
}

func (q *queue) put(b *bundle) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, b)
}

func (q *queue) take() *bundle {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return nil
	}
	b := q.list[0]
	q.list = q.list[1:]
	return b
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

// pressAhead is how many bundles wait for their time, so that making them is no part of an import's
// latency.
const pressAhead = 4

// A press makes bundles ahead of time.
type press struct {
	model *model
	dir   string
	made  chan *bundle
}

func newPress(m *model, dir string) *press {
	return &press{m, dir, make(chan *bundle, pressAhead)}
}

// run makes bundles until ctx ends. After an error no more come, and made is closed.
func (p *press) run(ctx context.Context) error {
	defer close(p.made)
	for ctx.Err() == nil {
		b, err := pack(ctx, p.dir, p.model.choose(false))
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("load: a bundle could not be made: %w", err)
		}
		select {
		case p.made <- b:
		case <-ctx.Done():
		}
	}
	return nil
}

// importNext sends the bundle whose turn it is.
func (l *Load) importNext(ctx context.Context, press *press, c *client, fresh bool) outcome {
	b := l.queue.take()
	if b == nil {
		var open bool
		select {
		case b, open = <-press.made:
			if !open {
				return outcome{class: classFailed, asked: importPath, text: "not sent: bundles cannot be made"}
			}
		case <-ctx.Done():
			return outcome{class: classFailed, asked: importPath, text: "not sent: bundles are not made fast enough"}
		}
		l.model.sending(b)
	}
	o, again := l.send(ctx, b, c, fresh)
	switch {
	case again:
		l.queue.put(b)
	case o.class != classOK:
		l.model.abandon(b)
	}
	return o
}

const importPath = "POST /internal/import"

// send imports b once; again says whether it is to be sent again.
func (l *Load) send(ctx context.Context, b *bundle, c *client, fresh bool) (o outcome, again bool) {
	o = outcome{class: classFailed, asked: importPath + " of " + b.act.bundleID + " " + b.number()}
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) { written.Store(i.Err == nil) },
	})
	req, err := newRequest(ctx, http.MethodPost, l.target+"/internal/import", b.body)
	if err != nil {
		o.text = err.Error()
		return o, false
	}
	req.Header.Set("Authorization", "Bearer "+l.importToken)
	req.Header.Set("Content-Type", "application/vnd.olpc-sugar")
	req.Header.Set("User-Agent", agentBrowser)
	a, err := c.do(req, fresh, c.current())
	if a != nil {
		o.status = a.status
	}
	switch {
	case err != nil:
		// A server may take a bundle that it has whole, even if its answer does not arrive; and an
		// answer that has begun to say so says nothing before its end.
		if written.Load() && (a == nil || a.status/100 == 2) {
			o.class = classUnknown
		}
		o.text = err.Error()
		return o, true
	case a.status == http.StatusServiceUnavailable && retryAfter(a.header):
		o.class = classRefused
		return o, true
	case a.status == http.StatusServiceUnavailable:
		o.text = "503 without a Retry-After: " + brief(a.body)
		return o, true
	case a.status != http.StatusOK && a.status != http.StatusCreated:
		o.text = brief(a.body)
		return o, a.status >= 500
	}
	k, err := parseAcknowledgement(a.body, b.sum.String())
	if err != nil {
		return o.wrong("%v", err), false
	}
	i := Import{
		BundleID: b.act.bundleID, Number: b.number(), ActivityID: k.ActivityID, VersionID: k.VersionID, Filename: k.Filename,
		SHA256: b.sum, Size: len(b.body), Epoch: k.Epoch, Seq: k.Seq, Existing: k.Existing, At: time.Now(),
	}
	if fault := l.model.acknowledge(b, i); fault != "" {
		return o.wrong("%s", fault), false
	}
	t := tokenOf(a.header)
	if t == nil {
		return o.wrong("the acknowledgement of %s brings no session token", b.act.bundleID), false
	}
	t.epoch, t.seq, t.act = i.Epoch, i.Seq, b.act
	c.remember(t)
	o.class = classOK
	return o, false
}

// Bounds of the first imports.
const (
	sowPatience = 30 * time.Second
	sowPause    = 200 * time.Millisecond
)

// sow imports the first activities, one after the other.
func (l *Load) sow(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, sowPatience)
	defer cancel()
	timer := time.NewTimer(sowPause)
	defer timer.Stop()
	for n := range l.seeds {
		b, err := pack(ctx, dir, l.model.choose(true))
		if err != nil {
			return fmt.Errorf("load: a bundle could not be made: %w", err)
		}
		l.model.sending(b)
		for {
			once, done := context.WithTimeout(ctx, l.timeout)
			o, again := l.send(once, b, l.clients[n*2%len(l.clients)&^1], false)
			done()
			if o.class == classOK {
				break
			}
			fault := fmt.Errorf("load: the first imports were not taken; the last was %s, status %d: %s", o.asked, o.status, o.text)
			if !again {
				return fault
			}
			timer.Reset(sowPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return errors.Join(fault, ctx.Err())
			}
		}
	}
	return nil
}
