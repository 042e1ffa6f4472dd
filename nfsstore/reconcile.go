package nfsstore

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"
)

const (
	// compareEvery is how often everything is compared when nothing was forgotten.
	compareEvery = 24 * time.Hour
	// How long a comparison that failed waits for the next, doubling.
	compareFirstWait, compareLastWait = time.Second, 5 * time.Minute
	// maxNewer bounds the names that change while everything is compared; when there are more, it is
	// begun anew.
	maxNewer = 1 << 16
)

// A comparison of everything runs in a goroutine of its own, and tells the planner what it finds.
type comparison struct {
	found   chan Change
	ended   chan error // holds one
	stop    context.CancelFunc
	since   time.Time
	changed map[string]struct{} // names of changes that came since it began
}

// newer makes a change count more than what is found about its name.
func (c *comparison) newer(name string) {
	if len(c.changed) >= maxNewer {
		c.stop() // what it still finds is of names that are known, or is forgotten with it
		return
	}
	c.changed[name] = struct{}{}
}

// timeToCompare reports whether everything is to be compared now.
func (m *mirror) timeToCompare() bool {
	switch {
	case m.all == nil || m.comparing != nil:
		return false
	case m.waitsForRoom():
		return len(m.jobs) <= m.pending/2
	}
	return !m.compareAt.After(time.Now())
}

// waitsForRoom reports whether everything is to be compared as soon as there is room for much of what was
// forgotten. That comes by what is dealt with, and not by time.
func (m *mirror) waitsForRoom() bool { return m.forgotten > 0 && m.compareBackoff == 0 }

// unknown reports whether there may be more to do than is known.
func (m *mirror) unknown() bool { return m.all != nil && (m.stats.Reconciled == 0 || m.forgotten > 0) }

// compare begins to compare everything.
func (m *mirror) compare(ctx context.Context, wg *sync.WaitGroup) {
	ctx, stop := context.WithCancel(ctx)
	c := &comparison{
		found: make(chan Change), ended: make(chan error, 1), stop: stop,
		since: time.Now(), changed: make(map[string]struct{}),
	}
	m.comparing = c
	// What is forgotten from now on is not seen by it for certain.
	m.forgotten, m.forgottenSince = 0, time.Time{}
	wg.Go(func() {
		defer stop()
		c.ended <- m.compareAll(ctx, func(change Change) error {
			select {
			case c.found <- change:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
}

// hear takes in what a comparison found. What came meanwhile is newer.
func (m *mirror) hear(change Change) {
	if _, ok := m.comparing.changed[change.Name]; !ok {
		m.take(change)
	}
}

// compared ends a comparison.
func (m *mirror) compared(err error) {
	c := m.comparing
	m.comparing = nil
	if err == nil {
		m.stats.Reconciled++
		m.compareBackoff, m.compareAt = 0, time.Now().Add(compareEvery)
		m.report()
		return
	}
	if m.compareBackoff == 0 {
		m.log.Warn("The mirror could not be compared with what it has to have; that is tried again.", "error", err)
	}
	// What was forgotten before it is forgotten still.
	m.forgotten++
	if m.forgottenSince.IsZero() || c.since.Before(m.forgottenSince) {
		m.forgottenSince = c.since
	}
	m.compareBackoff = min(max(2*m.compareBackoff, compareFirstWait), compareLastWait)
	m.compareAt = time.Now().Add(m.compareBackoff)
	m.report()
}

// compareAll tells of files in dst that should not be there, and then of all that should. In this
// order, because copying may take long.
func (m *mirror) compareAll(ctx context.Context, tell func(Change) error) error {
	if len(m.within) > 0 {
		wanted := make(map[string]struct{})
		for c, err := range m.all(ctx) {
			if err != nil {
				return err
			}
			if !c.Gone {
				wanted[c.Name] = struct{}{}
			}
		}
		for _, dir := range m.within {
			if err := m.strays(ctx, dir, wanted, tell); err != nil {
				return err
			}
		}
	}
	for c, err := range m.all(ctx) {
		if err != nil {
			return err
		}
		if err := tell(c); err != nil {
			return err
		}
	}
	return nil
}

// strays tells of the files below a folder that nobody wants.
func (m *mirror) strays(ctx context.Context, dir string, wanted map[string]struct{}, tell func(Change) error) error {
	for info, err := range m.dst.List(ctx, dir) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		if _, ok := wanted[info.Name]; ok {
			continue
		}
		if len(wanted) == 0 {
			m.log.Warn("Nothing at all is to be in the mirror; what is there is left alone.", "store", m.dst.dir)
			return nil
		}
		m.log.Info("A file of the mirror is not wanted and is removed.", "name", info.Name)
		if err := tell(Change{Name: info.Name, Gone: true}); err != nil {
			return err
		}
	}
	return nil
}
