package replicaproof

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica"
)

const (
	keys      = 32 // registers
	writerN   = 16
	readerN   = 16 // sessions at a time
	strongN   = 2  // readers of the primary
	strayN    = 2  // clients on the primary's side of a cut
	callLimit = 2 * time.Second
)

// clients are all that work on one cluster at a time.
type clients struct {
	router  *replica.Router
	history *history
	next    atomic.Int64 // token
	session atomic.Int64
	all     sync.WaitGroup
	stop    context.CancelFunc
	ctx     context.Context
	seed    uint64
	patient bool                  // calls wait longer than a primary does
	failed  atomic.Pointer[error] // of the other process
}

func newClients(ctx context.Context, r *replica.Router, h *history, seed uint64) *clients {
	c := &clients{router: r, history: h, seed: seed}
	c.ctx, c.stop = context.WithCancel(ctx)
	return c
}

// begin starts everybody.
func (c *clients) begin() {
	for i := range writerN {
		c.spawn(uint64(i), c.writer)
	}
	for i := range readerN {
		c.spawn(uint64(100+i), c.reader)
	}
	for i := range strongN {
		c.spawn(uint64(200+i), c.strong)
	}
	c.all.Go(c.watch)
}

// end stops everybody and waits until they have.
func (c *clients) end() {
	c.stop()
	c.all.Wait()
}

// spawn repeats do until the end.
func (c *clients) spawn(number uint64, do func(*rand.Rand)) {
	c.all.Go(func() {
		random := rand.New(rand.NewPCG(c.seed, number))
		for c.ctx.Err() == nil && !c.history.full() {
			do(random)
		}
	})
}

func (c *clients) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// call bounds one call. The end of the round does not cut it off, as that would only add outcomes that
// nobody knows.
func (c *clients) call() (context.Context, context.CancelFunc) {
	limit := callLimit
	if c.patient {
		limit = patience
	}
	return context.WithTimeout(context.WithoutCancel(c.ctx), limit)
}

// watch notes who is the primary.
func (c *clients) watch() {
	var last Turn
	for c.ctx.Err() == nil {
		s := c.router.Status()
		if t := (Turn{c.history.now(), s.Generation, s.Primary}); t.Generation != last.Generation || t.Primary != last.Primary {
			c.history.turn(t)
			last = t
		}
		c.pause(5 * time.Millisecond)
	}
}

// A way is one of those in which a program may write.
type way int

const (
	byStatement   way = iota // one INSERT, without a register
	byTransaction            // a transaction of database/sql
	byUpdate                 // Router.Update
	ways
)

// writer writes once.
func (c *clients) writer(random *rand.Rand) {
	ctx, cancel := c.call()
	defer cancel()
	if w := c.write(ctx, way(random.IntN(int(ways))), random.IntN(keys), 0, nil); w.Outcome != Acknowledged {
		c.pause(10 * time.Millisecond)
	}
}

// write writes a token, with or without a register, and notes what came of it.
func (c *clients) write(ctx context.Context, by way, key, number int, session *replica.Session) Write {
	w := Write{Token: c.next.Add(1), Key: key, Session: number, First: c.router.Stats().Generation, Start: c.history.now()}
	if by == byStatement {
		w.Key = -1
	}
	var err error
	w.Version, err = write(replica.WithSession(ctx, session), c.router, by, w.Token, key)
	w.End, w.Last = c.history.now(), c.router.Stats().Generation
	var lost *replica.OutcomeError
	if errors.As(err, &lost) {
		w.Marker = lost.Marker
	}
	w.Outcome = outcome(err)
	if err != nil {
		w.Error = reason(err)
	}
	if session != nil {
		w.At = session.Token().String()
	}
	c.history.write(w)
	return w
}

// outcome takes package replica at its word: an error that does not say that the outcome is unknown
// says that nothing was written.
func outcome(err error) Outcome {
	switch {
	case err == nil:
		return Acknowledged
	case errors.Is(err, replica.ErrUnknownOutcome):
		return Unknown
	}
	return Failed
}

const insert = "INSERT INTO app.tokens (token, server) VALUES (?, @@server_id)"

// write writes a token through a router.
func write(ctx context.Context, router *replica.Router, by way, token int64, key int) (version int64, err error) {
	switch by {
	case byStatement:
		_, err = router.Write(ctx).ExecContext(ctx, insert, token)
	case byTransaction:
		var tx *sql.Tx
		if tx, err = router.Write(ctx).BeginTx(ctx, nil); err != nil {
			return 0, err
		}
		if version, err = raise(ctx, tx, token, key); err != nil {
			_ = tx.Rollback() // what was not committed is gone with the connection as well
			return 0, err
		}
		err = tx.Commit()
	default:
		err = router.Update(ctx, nil, func(tx *sql.Tx) (err error) {
			version, err = raise(ctx, tx, token, key)
			return err
		})
	}
	return version, err
}

// raise makes the next version of a register. That is locked by the first statement, so that the
// version is that of this write.
func raise(ctx context.Context, tx *sql.Tx, token int64, key int) (version int64, err error) {
	for _, q := range []string{
		"UPDATE app.registers SET version = version + 1, token = ?, server = @@server_id WHERE k = ?",
		"INSERT INTO app.tokens SELECT ?, k, version, @@server_id FROM app.registers WHERE k = ?",
	} {
		if _, err := tx.ExecContext(ctx, q, token, key); err != nil {
			return 0, err
		}
	}
	err = tx.QueryRowContext(ctx, "SELECT version FROM app.tokens WHERE token = ?", token).Scan(&version)
	return version, err
}

// reason shortens an error to what it has in common with others.
func reason(err error) string {
	for _, known := range []error{replica.ErrUnknownOutcome, replica.ErrNoPrimary, replica.ErrNoReplica, context.DeadlineExceeded, context.Canceled, mysql.ErrInvalidConn} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text[:min(len(text), 200)]
}

// strong reads a register from the primary.
func (c *clients) strong(random *rand.Rand) {
	ctx, cancel := c.call()
	defer cancel()
	c.register(ctx, c.router.Read(replica.WithPrimary(ctx)), random.IntN(keys), 0)
	c.pause(time.Duration(random.IntN(4)) * time.Millisecond)
}

// register reads a register.
func (c *clients) register(ctx context.Context, db *sql.DB, key, session int) bool {
	r := Read{Session: session, Key: key, Start: c.history.now()}
	err := db.QueryRowContext(ctx, "SELECT version, token FROM app.registers WHERE k = ?", key).Scan(&r.Version, &r.Token)
	r.End = c.history.now()
	if err != nil {
		c.history.refuse(err)
		c.pause(10 * time.Millisecond)
		return false
	}
	c.history.read(r)
	return true
}

// callsOfSession is how often a session writes before another begins.
const callsOfSession = 10

// reader is one session: it writes, thinks, and reads what it wrote and what others did.
func (c *clients) reader(random *rand.Rand) {
	number := int(c.session.Add(1))
	session := replica.NewSession()
	key := random.IntN(keys)
	for range callsOfSession {
		if c.ctx.Err() != nil || c.history.full() {
			return
		}
		c.turn(random, session, number, key)
	}
	c.ask(session, number)
}

// ask asks whether a write of a session was lost.
func (c *clients) ask(session *replica.Session, number int) (lost bool) {
	err := c.router.Lost(session)
	if err != nil {
		c.history.tell(Told{number, err.Error()})
	}
	return err != nil
}

func (c *clients) turn(random *rand.Rand, session *replica.Session, number, key int) {
	ctx, cancel := c.call()
	defer cancel()
	ctx = replica.WithSession(ctx, session)
	w := c.write(ctx, byTransaction+way(random.IntN(2)), key, number, session)
	if w.Outcome == Acknowledged {
		c.pause(time.Duration(random.IntN(20)) * time.Millisecond)
		c.own(ctx, session, w.Token, number, false)
	} else {
		c.pause(10 * time.Millisecond)
	}
	for range 2 {
		c.register(ctx, c.router.Read(ctx), key, number)
	}
}

// own reads a row that the session must see; nil: no session, which need not.
func (c *clients) own(ctx context.Context, session *replica.Session, token int64, number int, other bool) {
	r := Read{Session: number, Key: -1, Own: token, Other: other, Start: c.history.now()}
	if ctx = replica.WithSession(ctx, session); session != nil {
		r.At = session.Token().String()
	}
	var err error
	if token%2 == 0 {
		err = c.router.View(ctx, func(ctx context.Context, q replica.Querier) (err error) {
			r.Found, r.Server, err = seen(ctx, q, token)
			return err
		})
	} else {
		r.Found, r.Server, err = seen(ctx, c.router.Read(ctx), token)
	}
	r.End = c.history.now()
	if err != nil {
		c.history.refuse(err)
		return
	}
	c.history.read(r)
}

func seen(ctx context.Context, db replica.Querier, token int64) (found bool, server int, err error) {
	var n int
	err = db.QueryRowContext(ctx, "SELECT COUNT(*), @@server_id FROM app.tokens WHERE token = ?", token).Scan(&n, &server)
	return n == 1, server, err
}

// strays write to a server past the router, over connections that a cut of the network leaves alone,
// until stop, which waits for their end.
func (c *clients) strays(s *server) (stop func(), err error) {
	db, err := open(s.NearDSN())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	var all sync.WaitGroup
	for range strayN {
		all.Go(func() {
			for ctx.Err() == nil && !c.history.full() {
				c.stray(db)
				c.pause(20 * time.Millisecond)
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		all.Wait()
		_ = db.Close() // a server that was killed cannot be told goodbye
	}), nil
}

// stray writes once past the router.
func (c *clients) stray(db *sql.DB) {
	ctx, cancel := c.call()
	defer cancel()
	w := Write{Token: c.next.Add(1), Key: -1, Stray: true, Start: c.history.now()}
	_, err := db.ExecContext(ctx, insert, w.Token)
	w.End, w.Outcome = c.history.now(), Acknowledged
	if err != nil {
		w.Outcome, w.Error = Unknown, reason(err)
	}
	// Who did not get through has written nothing.
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		w.Outcome = Failed
	}
	c.history.write(w)
}
