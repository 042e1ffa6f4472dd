package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// A Guard watches one cluster. It is safe for concurrent use; make it with [New].
type Guard struct {
	config   Config
	promoter *promote.Promoter
	log      *slog.Logger

	running sync.Mutex

	mu      sync.Mutex
	know    knowledge
	record  *Record
	changed chan struct{}

	eventMu sync.Mutex
}

// New returns a guard. It checks c and reports all mistakes at once; it connects to nobody.
func New(c Config) (*Guard, error) {
	err := c.check()
	p, perr := promote.New(c.Promote)
	if err := errors.Join(err, perr); err != nil {
		return nil, err
	}
	g := &Guard{config: c, promoter: p, log: c.Logger, changed: make(chan struct{}, 1)}
	g.know = knowledge{fall: c.Fall, calm: c.Calm}
	for _, n := range c.Promote.Nodes {
		g.know.nodes = append(g.know.nodes, &node{name: n.Name, never: n.NoPrimary})
	}
	return g, nil
}

// Promoter is what the guard promotes with, for who wants to do so by hand.
func (g *Guard) Promoter() *promote.Promoter { return g.promoter }

// Run watches, and acts if it is to, until ctx ends; it returns when all it started has ended. A
// promotion that is under way then is stopped as by any interruption: the same one, repeated, finishes
// it. An error means that it cannot work; a note of the last failover that cannot be read is none, and
// holds failovers back until it can, or is gone. Of two calls at once the second waits for the first.
func (g *Guard) Run(ctx context.Context) error {
	g.running.Lock()
	defer g.running.Unlock()
	unread := g.recall()
	if unread != "" {
		g.log.Error(unread)
	}
	watch, err := g.promoter.Watch()
	if err != nil {
		return err
	}
	defer watch.Close()
	var all sync.WaitGroup
	for i := range watch.Nodes() {
		all.Go(func() { g.watch(ctx, watch, i) })
	}
	g.act(ctx, unread)
	all.Wait()
	return nil
}

// recall reads the note of the last failover. It returns why it cannot; "": it has.
func (g *Guard) recall() string {
	record, err := load(g.config.Folder)
	if err != nil {
		return fmt.Sprintf("It is not known when the last failover was: %s.", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if record != nil && record.At.After(g.know.last) {
		g.record, g.know.last = record, record.At
	}
	return ""
}

// watch asks one node again and again.
func (g *Guard) watch(ctx context.Context, w *promote.Watch, i int) {
	tick := time.NewTicker(g.config.Poll)
	defer tick.Stop()
	for {
		s := w.Ask(ctx, i, g.config.Timeout)
		if ctx.Err() != nil {
			return // it is we who end
		}
		g.mu.Lock()
		lost := g.know.primary
		events := g.know.take(g.know.nodes[i], s)
		var note *Record
		for _, e := range events {
			if e.Kind == Changed && g.know.last.Equal(s.At) {
				note = &Record{At: s.At, From: lost.name, To: e.Node}
				g.record = note
			}
		}
		g.mu.Unlock()
		if note != nil {
			if err := save(g.config.Folder, note); err != nil {
				g.log.Error("the note of a failover could not be written", "error", err)
			}
		}
		g.tell(events...)
		select {
		case g.changed <- struct{}{}:
		default: // it is awake already
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tell logs events and hands them on.
func (g *Guard) tell(events ...Event) {
	g.eventMu.Lock()
	defer g.eventMu.Unlock()
	for _, e := range events {
		level := slog.LevelInfo
		switch e.Kind {
		case Lost, Failed, SplitBrain, Waiting:
			level = slog.LevelError
		case Held, OneCopy, NotRejoin:
			level = slog.LevelWarn
		}
		g.log.Log(context.Background(), level, e.Text, "event", string(e.Kind), "node", e.Node)
		if g.config.Events != nil {
			g.config.Events(e)
		}
	}
}

// Pauses between attempts of what was refused or failed.
const (
	firstPause  = time.Second
	longestWait = 30 * time.Second
	rejoinPause = 5 * time.Second

	longestRejoinPause = time.Minute
)

// act decides, whenever something was seen. unread is what recall said.
func (g *Guard) act(ctx context.Context, unread string) {
	pause, next := firstPause, time.Time{}
	again := time.Now().Add(firstPause) // the note is read
	rejoin := make(map[string]*attempt)
	told := "" // why the primary that is lost is not replaced
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.changed:
		}
		now := time.Now()
		stop := stopped(g.config.Folder)
		if unread != "" && now.After(again) {
			unread, again = g.recall(), now.Add(firstPause)
		}
		g.mu.Lock()
		g.know.stopped = cmp.Or(stop, unread)
		lost, held := g.know.lost(), g.know.held(now)
		var events []Event
		if lost && held != told && held != "" {
			events = append(events, Event{At: now, Kind: Held, Node: g.know.primary.name, Text: "No failover: " + held})
		}
		if told = held; !lost {
			told = "" // the next loss is news
		}
		g.mu.Unlock()
		if g.config.Automatic {
			g.tell(events...)
		}
		switch {
		case g.config.Automatic && lost && held == "":
			if now.Before(next) {
				continue
			}
			if g.failover(ctx) {
				pause, next = firstPause, time.Time{}
			} else {
				next = time.Now().Add(about(pause))
				pause = min(2*pause, longestWait)
			}
		case g.config.Rejoin && !lost && stop == "":
			g.rejoin(ctx, now, rejoin)
		}
	}
}

// failover makes the candidate the primary. It reports whether it is now.
func (g *Guard) failover(ctx context.Context) bool {
	g.mu.Lock()
	from, to, armed, oneCopy := g.know.primary.name, g.know.candidate(), g.know.armed, g.know.oneCopy
	alive, started := g.know.primary.alive, g.know.started
	g.know.promoting = to
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.know.promoting = nil
	}()
	if to == nil {
		return false // it was lost this moment
	}
	g.tell(Event{At: time.Now(), Kind: Promoting, Node: to.name, Text: fmt.Sprintf("%s is lost; %s becomes the primary.", from, to.name)})
	record := &Record{At: time.Now(), From: from, To: to.name}
	report, err := g.promoter.Promote(ctx, to.name, &promote.Options{Automatic: true, Armed: armed, ArmedStart: started, LastKnown: alive.Position, LastKnownAt: alive.At})
	if err != nil {
		if ctx.Err() != nil {
			return false
		}
		g.tell(Event{At: time.Now(), Kind: Failed, Node: to.name, Text: fmt.Sprintf("%s did not become the primary: %s", to.name, err), Report: report})
		return false
	}
	g.mu.Lock()
	g.record, g.know.last = record, record.At
	g.know.follow(to)
	g.mu.Unlock()
	if err := save(g.config.Folder, record); err != nil {
		g.log.Error("the note of a failover could not be written", "error", err)
	}
	if report.Plan.Already {
		g.tell(Event{At: record.At, Kind: Changed, Node: to.name, Text: fmt.Sprintf("%s is the primary now; somebody else made it that.", to.name), Report: report})
		return true
	}
	text := fmt.Sprintf("%s is the primary instead of %s. %s", to.name, from, report.Acknowledged)
	if !oneCopy.IsZero() {
		text += fmt.Sprintf(" What %s acknowledged since %s was in one copy.", from, moment(oneCopy))
	}
	g.tell(Event{At: time.Now(), Kind: Promoted, Node: to.name, Text: text, Report: report})
	return true
}

// An attempt is what became of bringing back one server so far.
type attempt struct {
	next  time.Time
	pause time.Duration
	told  bool
}

// rejoin brings back who stands aside.
func (g *Guard) rejoin(ctx context.Context, now time.Time, attempts map[string]*attempt) {
	g.mu.Lock()
	var name string
	if list := g.know.writable(); len(list) == 1 {
		for _, n := range g.know.nodes {
			if a := attempts[n.name]; n != list[0] && g.know.strays(n) && (a == nil || now.After(a.next)) {
				name = n.name
				break
			}
		}
	}
	g.mu.Unlock()
	if name == "" {
		return
	}
	report, err := g.promoter.Rejoin(ctx, name)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		a := attempts[name]
		if a == nil {
			a = &attempt{pause: rejoinPause}
			attempts[name] = a
		}
		a.next = time.Now().Add(about(a.pause))
		a.pause = min(2*a.pause, longestRejoinPause)
		// Without a report somebody else was at work, mostly another guard with the same.
		if !a.told && report != nil {
			a.told = true
			g.tell(Event{At: time.Now(), Kind: NotRejoin, Node: name, Text: fmt.Sprintf("%s does not follow the primary: %s", name, err), Report: report})
		}
		return
	}
	delete(attempts, name)
	g.tell(Event{At: time.Now(), Kind: Rejoined, Node: name, Text: fmt.Sprintf("%s follows %s again.", name, report.Primary), Report: report})
}

// about varies a pause, so that two guards which got into each other's way do not meet again.
func about(pause time.Duration) time.Duration { return pause/2 + rand.N(pause) }

// Status returns what is known now; it asks nobody.
func (g *Guard) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := &g.know
	s := Status{Mode: g.config.Promote.Mode, Automatic: g.config.Automatic, Armed: k.armed, OneCopy: k.oneCopy, Last: g.record}
	if s.Mode == "" {
		s.Mode = promote.Available
	}
	s.Held = k.held(time.Now())
	if !g.config.Automatic {
		s.Held = "A person decides (Automatic is off)."
	}
	if c := k.candidate(); c != nil {
		s.Candidate = c.name
	}
	switch list := k.writable(); {
	case k.split && len(list) > 1:
		s.Problem = splitText(list)
	case k.restarted():
		s.Lost = k.primary.sight.Started
		s.Problem = k.primary.name + ", the primary, was started anew and takes no writes."
	case k.lost():
		s.Lost = k.primary.silent
		s.Problem = fmt.Sprintf("%s, the primary, does not answer: %s", k.primary.name, k.primary.sight.Err)
	case len(list) == 0 && k.primary == nil:
		s.Problem = "No server that takes writes was seen yet."
	case len(list) == 0:
		s.Problem = "No server takes writes."
	case k.waiting:
		s.Problem = k.waitingText()
	case !k.oneCopy.IsZero():
		s.Problem = k.oneCopyText()
	}
	if list := k.writable(); len(list) == 1 {
		s.Primary = list[0].name
	}
	for _, n := range k.nodes {
		s.Nodes = append(s.Nodes, n.sight)
	}
	return s
}
