package replicaproof

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
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

// writer writes once.
func (c *clients) writer(random *rand.Rand) {
	key := random.IntN(keys + keys/4)
	if key >= keys {
		key = -1
	}
	ctx, cancel := c.call()
	defer cancel()
	if w := c.write(ctx, c.router.Write(ctx), key, 0); w.Outcome != Acknowledged {
		c.pause(10 * time.Millisecond)
	}
}

// write writes a token, with or without a register, and notes what came of it.
func (c *clients) write(ctx context.Context, db *sql.DB, key, session int) Write {
	w := Write{Token: c.next.Add(1), Key: key, Session: session, First: c.router.Stats().Generation, Start: c.history.now()}
	var err error
	w.Version, w.Outcome, err = write(ctx, db, w.Token, key)
	w.End, w.Last = c.history.now(), c.router.Stats().Generation
	if err != nil {
		w.Error = reason(err)
	}
	c.history.write(w)
	return w
}

// write writes a token by one statement, or with a register by a transaction.
func write(ctx context.Context, db *sql.DB, token int64, key int) (version int64, o Outcome, err error) {
	if key < 0 {
		_, err := db.ExecContext(ctx, "INSERT INTO app.tokens (token, server) VALUES (?, @@server_id)", token)
		return 0, outcome(err), err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, Failed, err
	}
	// The register is locked by the first statement, so that the version is that of this write.
	for _, q := range []string{
		"UPDATE app.registers SET version = version + 1, token = ?, server = @@server_id WHERE k = ?",
		"INSERT INTO app.tokens SELECT ?, k, version, @@server_id FROM app.registers WHERE k = ?",
	} {
		if _, err := tx.ExecContext(ctx, q, token, key); err != nil {
			_ = tx.Rollback() // what was not committed is gone with the connection as well
			return 0, Failed, err
		}
	}
	if err := tx.QueryRowContext(ctx, "SELECT version FROM app.tokens WHERE token = ?", token).Scan(&version); err != nil {
		_ = tx.Rollback() // as above
		return 0, Failed, err
	}
	err = tx.Commit()
	return version, outcome(err), err
}

// outcome says what is known of a statement that writes, or a commit, that returned err.
func outcome(err error) Outcome {
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		return Acknowledged
	case errors.Is(err, replica.ErrNoPrimary):
		return Failed // as package replica promises
	case errors.As(err, &answer) && (answer.Number == 1290 || answer.Number == 1836 || answer.Number == 1213 || answer.Number == 1205):
		return Failed // read-only, deadlock, lock wait
	}
	return Unknown
}

// reason shortens an error to what it has in common with others.
func reason(err error) string {
	for _, known := range []error{replica.ErrNoPrimary, replica.ErrNoReplica, context.DeadlineExceeded, context.Canceled, mysql.ErrInvalidConn} {
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
}

func (c *clients) turn(random *rand.Rand, session *replica.Session, number, key int) {
	ctx, cancel := c.call()
	defer cancel()
	ctx = replica.WithSession(ctx, session)
	w := c.write(ctx, c.router.Write(ctx), key, number)
	if w.Outcome == Acknowledged {
		c.pause(time.Duration(random.IntN(20)) * time.Millisecond)
		c.own(ctx, w.Token, number, false)
	} else {
		c.pause(10 * time.Millisecond)
	}
	for range 2 {
		c.register(ctx, c.router.Read(ctx), key, number)
	}
}

// own reads a row that the session in ctx must see.
func (c *clients) own(ctx context.Context, token int64, number int, other bool) {
	r := Read{Session: number, Key: -1, Own: token, Other: other, Start: c.history.now()}
	found, err := seen(ctx, c.router.Read(ctx), token)
	r.End, r.Found = c.history.now(), found
	if err != nil {
		c.history.refuse(err)
		return
	}
	c.history.read(r)
}

func seen(ctx context.Context, db *sql.DB, token int64) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM app.tokens WHERE token = ?", token).Scan(&n)
	return n == 1, err
}

// strays write to the primary past the router, over connections that a cut of the network leaves
// alone. The caller closes db after the end.
func (c *clients) strays(db *sql.DB) {
	for i := range strayN {
		c.spawn(uint64(300+i), func(*rand.Rand) {
			ctx, cancel := c.call()
			defer cancel()
			w := Write{Token: c.next.Add(1), Key: -1, Stray: true, Start: c.history.now()}
			var err error
			_, w.Outcome, err = write(ctx, db, w.Token, -1)
			w.End = c.history.now()
			if err != nil {
				w.Error = reason(err)
			}
			c.history.write(w)
			c.pause(20 * time.Millisecond)
		})
	}
}
