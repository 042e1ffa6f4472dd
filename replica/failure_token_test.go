package replica

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// Rows of what can fail, for sessions and tokens.

// readerNodes is set for the other process of TestFailureReadInOtherProcess: addresses of all servers.
const readerNodes = "BEAMRIDER_TEST_READER_NODES"

// answers, in the other process, reads lines of a sealed token and a row, and says how often the row is
// there, "." being no token.
func answers(t *testing.T, dsns []string) {
	c := Config{Timeout: 5 * time.Second}
	for i, dsn := range dsns {
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: dsn})
	}
	r := begin(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	await(t, r, "the replica is read", reads(1))
	s := sealerOf(t, "catalog")
	fmt.Println("reader: ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		text, row, _ := strings.Cut(in.Text(), " ")
		ctx := t.Context()
		if text != "." {
			token, err := s.Open(text)
			if err != nil {
				t.Fatal(err)
			}
			session := NewSession()
			session.Observe(token)
			ctx = WithSession(ctx, session)
		}
		var n int
		if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i = ?", row).Scan(&n); err != nil {
			t.Fatal(err)
		}
		fmt.Println("reader:", n)
	}
}

func sealerOf(t testing.TB, cluster string) *Sealer {
	t.Helper()
	s, err := NewSealer(SealerConfig{Keys: [][]byte{[]byte(keyA)}, Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFailureReadInOtherProcess: a read in another process with the token of a write is never stale. The
// replica applies everything a second later.
func TestFailureReadInOtherProcess(t *testing.T) {
	if nodes := os.Getenv(readerNodes); nodes != "" {
		answers(t, strings.Split(nodes, "\n"))
		return
	}
	servers := replicatest.Cluster(t, 2)
	servers[0].Exec("CREATE TABLE app.x (i INT PRIMARY KEY)")
	servers[1].CatchUp(servers[0])
	servers[1].Delay(time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	other := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFailureReadInOtherProcess$", "-test.timeout=2m")
	other.Env = append(os.Environ(), readerNodes+"="+servers[0].DSN()+"\n"+servers[1].DSN())
	other.Stderr = os.Stderr
	to, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewScanner(from)
	hear := func() string {
		t.Helper()
		var said []string
		for out.Scan() {
			said = append(said, out.Text())
			if text, ok := strings.CutPrefix(out.Text(), "reader: "); ok {
				return text
			}
		}
		t.Fatalf("the other process has ended: %s", strings.Join(said, "\n"))
		return ""
	}
	ask := func(token string, row int) string {
		t.Helper()
		if _, err := fmt.Fprintln(to, token, row); err != nil {
			t.Fatal(err)
		}
		return hear()
	}
	if got := hear(); got != "ready" {
		t.Fatal(got)
	}
	r := run(t, servers...)
	seal := sealerOf(t, "catalog")
	stale := 0
	const rows = 50
	for i := range rows {
		s := NewSession()
		must(t, r.Write(ctx), WithSession(ctx, s), "INSERT INTO x VALUES (?)", i)
		if n := ask(seal.Seal(s.Token()), i); n != "1" {
			t.Fatalf("row %d is there %s times for another process with the token", i, n)
		}
		if ask(".", i) == "0" {
			stale++
		}
	}
	if stale < rows/2 {
		t.Errorf("only %d of %d reads without a token were stale, so this proves nothing", stale, rows)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(from)
	if err := errors.Join(err, other.Wait()); err != nil {
		t.Fatalf("the other process: %v; %s", err, rest)
	}
}

// TestFailureTwoReadsOfRequest: of two reads of a session, the second never shows an older state, while
// replicas come and go, one of which is a second late.
func TestFailureTwoReadsOfRequest(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	servers[0].Exec("CREATE TABLE app.x (i INT PRIMARY KEY, n INT)", "INSERT INTO app.x VALUES (1, 0)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	servers[2].Delay(time.Second)
	r := run(t, servers...)
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })

	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	working.Go(func() { // what the others do
		for n := 1; ctx.Err() == nil; n++ {
			if _, err := r.Write(ctx).ExecContext(ctx, "UPDATE x SET n = ? WHERE i = 1", n); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			pause(ctx, time.Millisecond, nil)
		}
	})
	read := func(ctx context.Context) (n int) {
		t.Helper()
		if err := r.Read(ctx).QueryRowContext(ctx, "SELECT n FROM x WHERE i = 1").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	back := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	type client struct {
		session *Session
		last    int
	}
	clients := make([]client, 4)
	for i := range clients {
		clients[i].session = NewSession()
	}
	blind, went, by := 0, 0, make(map[string]uint64)
	for round := range 60 {
		switch round % 6 {
		case 1:
			back(r.Drain("b"))
		case 3:
			back(errors.Join(r.Undrain("b"), r.Drain("c")))
		case 5:
			back(r.Undrain("c"))
		}
		if round == 50 {
			servers[1].Kill()
		}
		for i := range clients {
			c := &clients[i]
			if i == 3 && round%7 == 0 { // some read from the primary now and then, by what they wrote
				must(t, r.Write(ctx), WithSession(ctx, c.session), "INSERT INTO x VALUES (?, 0)", round+100)
			}
			for range 3 {
				n := read(WithSession(ctx, c.session))
				if n < c.last {
					t.Fatalf("round %d: session %d sees %d after %d", round, i, n, c.last)
				}
				c.last = n
				pause(ctx, time.Duration(i)*3*time.Millisecond, nil)
			}
		}
		n := read(ctx)
		if n < blind {
			went++
		}
		blind = n
	}
	for _, n := range r.Status().Nodes {
		by[n.Name] = n.Picked
	}
	if went == 0 {
		t.Error("reads without a session never went back, so this proves nothing")
	}
	if by["b"] == 0 || by["c"] == 0 {
		t.Errorf("not both replicas were read: %v", by)
	}
}

// acked is a write that a client was told of.
type acked struct {
	row     int
	session *Session
}

// TestFailureWritesLostByFailover: exactly the acknowledged writes that no replica has received are reported
// lost, also by a router that starts later, and to a session that comes with a token. Replication
// goes through a network that swallows what is under way.
func TestFailureWritesLostByFailover(t *testing.T) {
	group := replicatest.Start(t, replicatest.Topology{Servers: 3, Partitionable: true})
	servers := group.Servers
	servers[0].Exec("CREATE TABLE app.x (i INT PRIMARY KEY)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	r := run(t, servers...)
	ctx := t.Context()

	var mu sync.Mutex
	var all []acked
	var working sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		working.Go(func() {
			for i := w * 100_000; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				a := acked{i, NewSession()}
				if _, err := r.Write(ctx).ExecContext(WithSession(ctx, a.session), "INSERT INTO x VALUES (?)", i); err != nil {
					return
				}
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(all) }
	reach := func(n int) {
		for start := time.Now(); count() < n; {
			if time.Since(start) > patience {
				t.Fatal("nothing is written")
			}
			pause(ctx, time.Millisecond, nil)
		}
	}
	reach(200)
	for _, s := range servers[1:] {
		s.From(servers[0]).Cut()
		servers[0].From(s).Cut()
	}
	reach(count() + 100)
	servers[0].Kill()
	close(stop)
	working.Wait()

	// Who has more is promoted.
	next, rest := servers[1], servers[2]
	if next.Text("SELECT COUNT(*) FROM app.x") < rest.Text("SELECT COUNT(*) FROM app.x") {
		next, rest = rest, next
	}
	for _, s := range servers[1:] {
		s.Exec("STOP SLAVE IO_THREAD")
	}
	await(t, r, "there is no primary", primaryIs(""))
	if err := r.Lost(all[len(all)-1].session); err != nil {
		t.Errorf("there is no primary, and lost is: %v", err)
	}
	drain(t, next)
	next.Promote()
	await(t, r, "the promoted server is the primary", primaryIs(next.Name()))
	rest.Follow(next, 0)
	late := run(t, servers...)

	var have []int
	rows, err := r.Write(ctx).QueryContext(ctx, "SELECT i FROM x")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		if err := rows.Scan(&i); err != nil {
			t.Fatal(err)
		}
		have = append(have, i)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	there := make(map[int]bool)
	for _, i := range have {
		there[i] = true
	}
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lost, unknown := 0, 0
	var gone *Session
	for _, a := range all {
		if a.session.pinned.Load() {
			unknown++
			continue
		}
		text := a.session.Token().String()
		if err := r.CheckLost(limit, a.session); errors.Is(err, ErrWriteLost) == there[a.row] {
			t.Errorf("row %d at %s, there: %v, lost: %v", a.row, text, there[a.row], err)
		}
		token, err := ParseToken(text)
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := NewSession()
		elsewhere.Observe(token)
		if err := late.CheckLost(limit, elsewhere); errors.Is(err, ErrWriteLost) == there[a.row] {
			t.Errorf("to a router that came later, row %d at %s, there: %v, lost: %v", a.row, text, there[a.row], err)
		}
		if !there[a.row] {
			lost++
			gone = a.session
		}
	}
	if unknown > 4 {
		t.Errorf("of %d writes the position is not known, with 4 writers", unknown)
	}
	if lost == 0 {
		t.Fatal("nothing was lost, so this proves nothing")
	}
	for _, a := range all {
		if id := serverID(t, ctx, r.Read(WithSession(ctx, a.session))); id == 1 {
			t.Errorf("the killed server answers session %d", a.row)
		}
	}
	t.Logf("%d of %d acknowledged writes were lost, and found", lost, len(all))

	// Who has lost a write still reads, and from replicas.
	await(t, r, "the session of a lost write reads from a replica", func(Status) bool {
		return serverID(t, ctx, r.Read(WithSession(ctx, gone))) != serverID(t, ctx, r.Write(ctx))
	})
	s := NewSession()
	must(t, r.Write(ctx), WithSession(ctx, s), "INSERT INTO x VALUES (-1)")
	if err := r.CheckLost(limit, s); err != nil {
		t.Errorf("a write on the new primary: %v", err)
	}
}

// drain waits until the server has applied what it has received.
func drain(t *testing.T, s *replicatest.Server) {
	t.Helper()
	status := s.ReplicaStatus()
	if got := s.Text(fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 30)", status["Gtid_IO_Pos"])); got != "0" {
		t.Fatal("the relay log is not applied")
	}
}

// TestFailureForgedExpiredForeignToken: such tokens are told apart, and their holder reads like anybody.
func TestFailureForgedExpiredForeignToken(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	await(t, r, "the replica is read", reads(1))
	s := sealerOf(t, "catalog")
	old := sealerOf(t, "catalog")
	old.now = func() time.Time { return time.Now().Add(-time.Hour) }
	far := Token{ids("0-1-999999")}
	other, err := NewSealer(SealerConfig{Keys: [][]byte{[]byte(keyB)}, Cluster: "catalog"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]TokenProblem{
		other.Seal(far):                       TokenForged,
		old.Seal(far):                         TokenExpired,
		sealerOf(t, "a copy of it").Seal(far): TokenForeign,
		far.String():                          TokenMalformed,
	} {
		token, err := s.Open(text)
		if problem(err) != want {
			t.Errorf("%q gives %v, want %s", text, err, want)
		}
		session := NewSession()
		session.Observe(token)
		ctx := WithSession(t.Context(), session)
		if id := serverID(t, ctx, r.Read(ctx)); id != 2 {
			t.Errorf("%s: server %d answers", want, id)
		}
	}
	// The control: had it been taken, the primary would have to answer.
	session := NewSession()
	session.Observe(far)
	ctx := WithSession(t.Context(), session)
	if id := serverID(t, ctx, r.Read(ctx)); id != 1 {
		t.Errorf("server %d answers to a position nobody has", id)
	}
}

// TestFailurePositionsBeginAnew: when positions are counted anew, those from before neither hold a session fast nor
// have its writes taken for lost; tokens are void by the name of the cluster.
func TestFailurePositionsBeginAnew(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	servers[0].Exec("CREATE TABLE app.x (i INT PRIMARY KEY)")
	r := run(t, servers...)
	s := NewSession()
	ctx := WithSession(t.Context(), s)
	for i := range 50 {
		must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (?)", i)
	}
	servers[1].CatchUp(servers[0])
	await(t, r, "the session reads from the replica", func(Status) bool { return serverID(t, ctx, r.Read(ctx)) == 2 })

	servers[1].Exec("STOP SLAVE", "RESET MASTER", "SET GLOBAL gtid_slave_pos = ''")
	servers[0].Exec("RESET MASTER", "INSERT INTO app.x VALUES (1000)")
	servers[1].Exec("START SLAVE")
	servers[1].CatchUp(servers[0])
	await(t, r, "the session reads from the replica again", func(st Status) bool {
		return st.Nodes[1].Reads && serverID(t, ctx, r.Read(ctx)) == 2
	})
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.CheckLost(limit, s); err != nil {
		t.Errorf("after RESET MASTER: %v", err)
	}
	if _, err := sealerOf(t, "catalog, since the restore").Open(sealerOf(t, "catalog").Seal(s.Token())); problem(err) != TokenForeign {
		t.Errorf("a token from before the restore: %v", err)
	}
	// The count goes on from there.
	must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (1001)")
	var n int
	if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i = 1001").Scan(&n); err != nil || n != 1 {
		t.Errorf("a write of the new count is there %d times (%v)", n, err)
	}
}
