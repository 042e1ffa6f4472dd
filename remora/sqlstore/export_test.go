package sqlstore

import (
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// Trace makes f see every statement of the store from now on.
func (s *Store) Trace(f func(query string)) { s.trace = f }

// TableColumns returns the tables in the order of Digest, with their columns.
func TableColumns() (list [][2]string) {
	for _, t := range tables {
		list = append(list, [2]string{t.name, t.columns})
	}
	return list
}

// SlugOf is slugOf.
func SlugOf(bundleID string, name remora.Text) string { return slugOf(bundleID, name) }

// Fail is what a caller sees of a driver's error.
func Fail(e Engine, err error) error { return dialectOf(e).fail("Test", err) }

// FailBegin and FailCommit are the same for errors of beginning and of committing.
func FailBegin(e Engine, err error) error  { return dialectOf(e).fail("Test", beginError{err}) }
func FailCommit(e Engine, err error) error { return dialectOf(e).fail("Test", commitError{err}) }

// SetClock makes now the clock of the store, and that by which leases end.
func (s *Store) SetClock(now func() time.Time) { s.now, s.fakeClock = now, true }

// Numbered are the tables whose engine gives out ids.
func Numbered() []string { return numbered }
