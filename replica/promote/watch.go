package promote

import (
	"context"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// A Watch asks the servers of a cluster again and again, over connections that it keeps. Each node is
// for one goroutine at a time; different ones may be asked at once.
type Watch struct {
	promoter *Promoter
	servers  []*server
}

// Watch returns a watch of all nodes. It connects to nobody. The caller closes it.
func (p *Promoter) Watch() (*Watch, error) {
	w := &Watch{promoter: p}
	for _, m := range p.members {
		s, err := p.server(m)
		if err != nil {
			w.Close()
			return nil, err
		}
		s.db.SetMaxOpenConns(1)
		s.watched = true
		w.servers = append(w.servers, s)
	}
	return w, nil
}

// Nodes returns how many nodes there are; they are asked by their index in [Config].
func (w *Watch) Nodes() int { return len(w.servers) }

// Close closes the connections.
func (w *Watch) Close() {
	for _, s := range w.servers {
		s.close()
	}
}

// A Sight is what one server said when it was asked by a [Watch], for people and for JSON.
type Sight struct {
	Name string       `json:"name"`
	At   time.Time    `json:"at"` // when it was asked
	Err  error        `json:"-"`  // why it did not answer; all that follows is zero then
	Role replica.Role `json:"role"`
	ID   uint32       `json:"server_id"`
	// Alone says that it is read-only and replicates from nobody.
	Alone bool `json:"alone,omitempty"`
	// Started is when the server was started, give or take 1.5 s. Zero: it answered too slowly to tell.
	Started time.Time `json:"started,omitzero"`
	// Position is how far it has applied and written, Received how far a replica has received.
	Position string `json:"position"`
	Received string `json:"received"`
	// Source is the server_id that a replica replicates from, 0: it never reached it. Receives says that
	// it is connected to it, Applies that it applies what it gets, Applied that it has applied all it got.
	Source   uint32 `json:"source,omitempty"`
	Receives bool   `json:"receives,omitempty"`
	Applies  bool   `json:"applies,omitempty"`
	Applied  bool   `json:"applied,omitempty"`
	// Strict is "" for a primary that cannot acknowledge what no replica has, now and in the next hour;
	// else why it could. See [Strict].
	Strict string `json:"not_strict,omitempty"`
	// Endless says that a primary waits for acknowledgements however long that takes, whether or not a
	// replica is there that can give one.
	Endless bool `json:"endless,omitempty"`
	// SemiSync says that a primary is to wait for acknowledgements, in any mode, and Waits that it does
	// so now, for a replica that is connected.
	SemiSync bool `json:"semi_sync,omitempty"`
	Waits    bool `json:"waits,omitempty"`
	// Acknowledges says that a replica acknowledges what it receives.
	Acknowledges bool   `json:"acknowledges,omitempty"`
	Problem      string `json:"problem,omitempty"` // Err in words
}

// Ask asks one node, for at most limit.
func (w *Watch) Ask(ctx context.Context, node int, limit time.Duration) Sight {
	s := w.servers[node]
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v := Sight{Name: s.Name, At: time.Now()}
	if s.ask(ctx); s.err != nil {
		v.Err = fmt.Errorf("promote: node %s: %w", s.Name, s.err)
		v.Problem = "It does not answer: " + s.err.Error()
		return v
	}
	f := &s.facts
	v.Role, v.ID = f.role(), f.id
	v.Alone, v.Started = v.Role == replica.Unknown, f.started
	v.Position, v.Received = f.holds().String(), f.has().String()
	v.SemiSync = f.waitsSemi
	v.Waits, v.Acknowledges = f.waitsSemi && f.waitsNow && f.clients > 0, f.sendsSemi
	if v.Role == replica.Primary {
		v.Strict = f.notStrict()
		v.Endless = f.endless()
	}
	if len(f.sources) == 1 {
		c := &f.sources[0]
		v.Source, v.Receives, v.Applies, v.Applied = c.id, c.receiving == "Yes", c.applying, f.drained()
	}
	return v
}

// Further reports whether what was seen of a has received something that what was seen of b has not,
// among replicas of one primary.
func Further(a, b Sight) bool {
	p, err1 := parsePosition(a.Received)
	q, err2 := parsePosition(b.Received)
	return err1 == nil && err2 == nil && len(q.beyond(p)) > 0
}

// Restarted reports whether a server takes no writes and was started anew, as after a crash, since it
// was seen to be started at a time, which is Started of that sight. One that somebody made read-only
// was not, and one that was restarted within seconds of its start is not known to be.
func (s *Sight) Restarted(before time.Time) bool {
	return s.Err == nil && s.Alone && anew(s.Started, before)
}

// anew compares two sights of when a server was started.
func anew(started, before time.Time) bool {
	const inexact = 3 * time.Second
	return !started.IsZero() && !before.IsZero() && started.Sub(before) > inexact
}
