package replicaproof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// mostTries is how often the asynchronous control is tried: a loss takes a little luck.
const mostTries = 10

func (c *control) asynchronous() error {
	for ; ; c.finding.Tries++ {
		var missed, without int
		// A replica five milliseconds away; what is on its way when the primary dies is lost.
		err := c.with(shape{servers: 3}, func() error {
			if err := c.slow(); err != nil {
				return err
			}
			notes := c.authors()
			if err := c.history.more(c.ctx, before); err != nil {
				return err
			}
			old := c.cluster[0]
			for _, s := range c.cluster[1:] {
				old.From(s.Server).Refuse()
			}
			if err := old.kill(); err != nil {
				return err
			}
			next, err := c.furthest(c.cluster[1:])
			if err != nil {
				return err
			}
			if err := c.takeOver(next, true); err != nil {
				return err
			}
			if err := c.history.more(c.ctx, after); err != nil {
				return err
			}
			c.clients.end()
			if missed, without, err = c.tell(next, notes()); err != nil {
				return err
			}
			return c.check(next, nil)
		})
		if err != nil {
			return err
		}
		lost := broken(c.finding.Violations, KeepsAcknowledged)
		wrongly := broken(c.finding.Violations, NoFalseAlarm)
		c.finding.Found = lost > 0 && missed == 0 && wrongly == 0
		c.finding.Text = fmt.Sprintf("%d acknowledged writes lost, in run %d; %d authors were told, %d of them wrongly, %d were not, and %d could not be, as the primary died before it told the position",
			lost, c.finding.Tries, len(c.history.told), wrongly, missed, without)
		if c.finding.Found || c.finding.Tries == mostTries {
			return nil
		}
	}
}

// tellTime is how long the router may take to learn what the new primary has.
const tellTime = 5 * time.Second

// tell asks for every session whether it has lost its write, until all that can be told have been.
func (c *control) tell(now *server, notes []note) (missed, without int, err error) {
	if c.rows, err = now.rows(c.ctx); err != nil {
		return 0, 0, err
	}
	limit, cancel := context.WithTimeout(c.ctx, tellTime)
	defer cancel()
	told := make(map[int]bool)
	// Whether it comes about is what is to be found out.
	_ = until(limit, "all are told", func() bool {
		for _, n := range notes {
			if !told[n.number] {
				told[n.number] = c.clients.ask(n.session, n.number)
			}
		}
		missed, without = c.untold(told)
		return missed == 0
	})
	return missed, without, c.ctx.Err()
}

// untold counts sessions that have lost a write and were not told so: those that knew its position, and
// those without.
func (c *control) untold(told map[int]bool) (missed, without int) {
	for _, w := range c.history.writes {
		if _, there := c.rows[w.Token]; w.Outcome != Acknowledged || there || told[w.Session] {
			continue
		}
		// Server 0 stands for a write whose position is not known.
		if strings.HasSuffix(w.At, "-0-0") {
			without++
		} else {
			missed++
		}
	}
	return missed, without
}

// furthest returns the replica that has received most.
func (c *control) furthest(list cluster) (best *server, err error) {
	var most uint64
	for _, s := range list {
		at, err := s.received()
		if err != nil {
			return nil, err
		}
		var domain, server, number uint64
		if _, err := fmt.Sscanf(at, "%d-%d-%d", &domain, &server, &number); err != nil {
			return nil, fmt.Errorf("server %s has received %q: %w", s.Name(), at, err)
		}
		if best == nil || number > most {
			best, most = s, number
		}
	}
	return best, nil
}

// A note is what an author keeps of one write.
type note struct {
	session *replica.Session
	number  int
}

// mostNotes bounds what authors keep.
const mostNotes = 20_000

// authors write, each write in a session of its own. What they have noted can be had after the end.
func (c *control) authors() (notes func() []note) {
	var mu sync.Mutex
	var list []note
	for i := range writerN {
		c.clients.spawn(uint64(i), func(random *rand.Rand) {
			n := note{replica.NewSession(), int(c.clients.session.Add(1))}
			ctx, cancel := c.clients.call()
			defer cancel()
			if w := c.clients.write(ctx, byTransaction, random.IntN(keys), n.number, n.session); w.Outcome != Acknowledged {
				c.clients.pause(10 * time.Millisecond)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if len(list) < mostNotes {
				list = append(list, n)
			}
		})
	}
	return func() []note {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}
