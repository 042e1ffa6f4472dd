package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// CopyOptions tune [Copy]. The zero value, or nil, is good.
type CopyOptions struct {
	// Progress hears how far the copy is, after each batch; nil: nobody does. It is called by the
	// goroutine that copies, which waits for it.
	Progress func(CopyProgress)
	// NewEpoch gives the copy an epoch of its own in the transaction that completes it. It is for
	// copies beside which the original goes on, or had gone on, such as a restored backup.
	NewEpoch bool
}

// CopyProgress is how far a copy is.
type CopyProgress struct {
	Table string // the one that is being copied
	Rows  int64  // rows of all tables that are in the copy by now
	Total int64  // rows that it will have
}

// CopyReport is what [Copy] did.
type CopyReport struct {
	Rows    int64 // rows written by this call; 0 when the copy was there already
	Resumed bool  // an earlier call had been interrupted, and this one went on where that ended
	Digest  string
	// Position is the end of the change feed in the copy.
	Position remora.Position
}

// Copy copies the whole catalog of one database into another, of any engine: every row of every
// table, and how far ids were given out, so that none is given out again. It brings the schema of
// the target up to date first. The original may be in use: what is copied is one moment of it, read
// in one transaction (from the primary, where there are replicas).
//
// The target must be empty or what an interrupted Copy has left, else the error is KindConflict with
// code "copy.used" and nothing was touched. A frozen target that holds an earlier moment of the same
// library counts as empty; one that says already what the original says is a copy that is done.
//
// While it is being filled the target has a mark: its mode is WriteCopying, and reads and writes
// of the catalog are KindUnavailable with code "copy.unfinished". The mark goes away in the one
// transaction that compares the [Store.Digest] of both and completes the copy. A Copy that was
// killed is finished by calling it again: it goes on where that one ended if the original is the
// same moment still, which it can only know while writes are frozen there, and starts over
// otherwise. Of two that copy into one target at once, the earlier one fails.
//
// The copy has the epoch of the original, as its numbers go on from there: tokens and views of the
// one are good for the other. That holds as long as only one of them is written to; see [Move].
// Otherwise use CopyOptions.NewEpoch. Its write mode is that of the original.
func Copy(ctx context.Context, from, to *Store, o *CopyOptions) (CopyReport, error) {
	c, err := newCopying(ctx, from, to, o)
	if err != nil {
		return CopyReport{}, err
	}
	err = c.snapshot(ctx, c.run)
	if errors.Is(err, errStale) {
		// What an interrupted copy had left was not of this moment after all.
		c.afresh = true
		err = c.snapshot(ctx, c.run)
	}
	if err != nil {
		return CopyReport{}, err
	}
	return c.report, nil
}

// CheckCopy says whether [Copy] would refuse the target, and why, without copying anything. It
// brings the schema of the target up to date.
func CheckCopy(ctx context.Context, from, to *Store) error {
	c, err := newCopying(ctx, from, to, nil)
	if err != nil {
		return err
	}
	c.looking = true
	return c.snapshot(ctx, func(src *tx) error {
		return c.there(to.inTx(ctx, to.primary(ctx), to.d.read, func(t *tx) error {
			_, err := c.plan(src, t)
			return err
		}))
	})
}

// A copying is one call of Copy.
type copying struct {
	from, to *Store
	o        CopyOptions
	id       string // marks this call
	mark     string // what the target is marked by
	afresh   bool   // start over, whatever an interrupted copy has left
	looking  bool   // only look at the target
	report   CopyReport

	rows, total int64
}

func newCopying(ctx context.Context, from, to *Store, o *CopyOptions) (*copying, error) {
	if from == nil || to == nil || from == to {
		return nil, &remora.Error{Kind: remora.KindInvalid, Op: "sqlstore.Copy", Code: "copy.same", Message: "A copy needs two different databases, one to read from and one to write to."}
	}
	c := &copying{from: from, to: to, id: newEpoch()}
	if o != nil {
		c.o = *o
	}
	n, err := Pending(ctx, from.conns, from.d.engine)
	if err == nil && n > 0 {
		err = remora.Errorf(remora.KindUnavailable, "schema.missing", "It is not set up for this version of the program. Start the server on it once, then copy.")
	}
	if err != nil {
		return nil, c.here(err)
	}
	if err := migrate(ctx, to.conns.Write(ctx), to.d); err != nil {
		return nil, c.there(err)
	}
	return c, c.different(ctx)
}

// different refuses to copy a database onto itself by way of two connections.
func (c *copying) different(ctx context.Context) error {
	if c.from.d.engine != c.to.d.engine {
		return nil
	}
	name := func(s *Store) (name string, err error) {
		query := "SELECT CONCAT(@@hostname, ' ', @@port, ' ', @@datadir, ' ', DATABASE())"
		if s.d.engine == SQLite {
			query = "SELECT file FROM pragma_database_list WHERE name = 'main'"
		}
		err = s.primary(ctx).QueryRowContext(ctx, query).Scan(&name)
		if err == nil && s.d.engine == SQLite {
			name, err = filepath.EvalSymlinks(name)
		}
		return name, err
	}
	a, err := name(c.from)
	if err != nil {
		return c.here(err)
	}
	b, err := name(c.to)
	if err != nil {
		return c.there(err)
	}
	if a == b {
		return &remora.Error{Kind: remora.KindInvalid, Op: "sqlstore.Copy", Code: "copy.same", Message: "Both are the same database. Name another one to copy to."}
	}
	return nil
}

// primary returns where the present is read: not a replica, and in a file without holding up writers.
func (s *Store) primary(ctx context.Context) *sql.DB {
	if s.d.engine == SQLite {
		return s.conns.Read(ctx)
	}
	return s.conns.Write(ctx)
}

// here and there say at which of the two databases an error was.
func (c *copying) here(err error) error { return side(c.from, "reads from", err) }

func (c *copying) there(err error) error { return side(c.to, "writes to", err) }

const stopped = "The copy stopped at the database it "

func side(s *Store, does string, err error) error {
	if err == nil || errors.Is(err, errStale) {
		return err
	}
	err = s.fail("Copy", err)
	failed, ok := errors.AsType[*remora.Error](err)
	if !ok || strings.HasPrefix(failed.Message, stopped) || failed.Code == "copy.used" || failed.Code == "copy.differs" {
		return err
	}
	e := *failed
	e.Message = stopped + does + ". " + remora.MessageOf(failed)
	return &e
}

// snapshot runs f in one read transaction on the original.
func (c *copying) snapshot(ctx context.Context, f func(src *tx) error) error {
	return c.here(c.from.inTx(ctx, c.from.primary(ctx), c.from.d.read, f))
}
