package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/balance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place returns a name for a socket that is short enough.
func place(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "console")
}

func pool(t testing.TB) *balance.Balancer {
	t.Helper()
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: http.NotFoundHandler()}, {Name: "b", URL: "http://192.0.2.1:8000"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run starts a console and returns its socket and what ends it.
func run(t testing.TB, b Balancer, o *Options) (string, func()) {
	t.Helper()
	path := place(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, l) }()
	end := func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return path, end
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, path string) client {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{c, bufio.NewReader(c)}
}

// ask returns the answer to a command without the line that ends it.
func (c client) ask(t testing.TB, line string) string {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	var answer strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, answer.String())
		}
		if line == ".\n" {
			return answer.String()
		}
		answer.WriteString(line)
	}
}

type cache struct{}

func (cache) Purge(url string) (int, error) {
	if !strings.HasPrefix(url, "http") {
		return 0, errors.New("cache: write it like https://example.org/page")
	}
	return 2, nil
}
func (cache) PurgeTag(tag string) int { return 1 }
func (cache) PurgeAll() int           { return 7 }

// TestCommands is a day at the console.
func TestCommands(t *testing.T) {
	b := pool(t)
	stopped := 0
	path, end := run(t, b, &Options{Cache: cache{}, Version: "v1.2", Stop: func() { stopped++ }})
	defer end()
	c := dial(t, path)
	for _, step := range []struct{ say, want string }{
		{"", "ERR There is no command. Type help for a list.\n"},
		{"json", "ERR There is no command \"json\". Type help for a list.\n"},
		{"summary", "All 2 backends serve.\n"},
		{"version", "v1.2\n"},
		{"version json", "\"v1.2\"\n"},
		{"states", "unknown 2\n"},
		{"STATES json", "{\"unknown\":2}\n"},
		{"node drain b", "OK b is drained: nothing is in flight there.\n"},
		{"node drain c", "ERR drain \"c\": unknown backend; see the status page for the names there are.\n"},
		{"node drain b x", "ERR The seconds to wait must be a whole number from 0 to 3600.\n"},
		{"node drain", "ERR It must be: node drain NAME [SECONDS].\n"},
		{"states", "unknown 1\ndraining 1\n"},
		{"node undrain b", "OK b gets requests again.\n"},
		{"node disable b the disk is replaced", "OK b gets no requests: the disk is replaced.\n"},
		{"summary", "1 of 2 backends serve. b is disabled: the disk is replaced.\n"},
		{"node enable b json", "{\"ok\":true,\"message\":\"b gets requests again.\"}\n"},
		{"node weight b 7", "OK b has weight 7.\n"},
		{"node weight b -7", "ERR The weight must be a whole number from 1 on.\n"},
		{"pool add c http://192.0.2.3:8000 weight=2 limit=5 backup", "OK c is in the pool.\n"},
		{"pool add d http://192.0.2.3:8000 weight=0", "ERR The weight must be a whole number from 1 on.\n"},
		{"pool add d http://192.0.2.3:8000 fast", "ERR What \"fast\" means is not known; there are weight=N, limit=N and backup.\n"},
		{"pool remove a", "OK a is not in the pool any more; what it is serving it finishes.\n"},
		{"purge url http://h/", "OK 2 stored answers are gone.\n"},
		{"purge url /", "ERR write it like https://example.org/page.\n"},
		{"purge tag x", "OK 1 stored answer is gone.\n"},
		{"purge all json", "{\"message\":\"7 stored answers are gone.\",\"ok\":true,\"purged\":7}\n"},
		{"node  \t weight\tb 8\r", "OK b has weight 8.\n"},
		{"fly me\x1b[2J", "ERR The command has characters that are not text. Type it again.\n"},
		{"fly me", "ERR There is no command \"fly me\". Type help for a list.\n"},
		{"shutdown graceful", "OK The process stops when its requests are done.\n"},
		{"quit", "OK Good bye.\n"},
	} {
		if diff := cmp.Diff(step.want, c.ask(t, step.say)); diff != "" {
			t.Errorf("%q: %s", step.say, diff)
		}
	}
	if _, err := c.in.ReadByte(); err != io.EOF {
		t.Errorf("after quit: %v", err)
	}
	var names []string
	for _, s := range b.Snapshot() {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"b", "c"}) || stopped != 1 {
		t.Error(names, stopped)
	}
}

// TestShows: what is shown names all there is, as a table and as JSON.
func TestShows(t *testing.T) {
	b := pool(t)
	b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	path, end := run(t, b, nil)
	defer end()
	c := dial(t, path)
	for say, want := range map[string][]string{
		"help":       {"node drain NAME [SECONDS]", "shutdown graceful", "COMMAND json"},
		"show nodes": {"BACKEND", "http://192.0.2.1:8000", "this process"},
		"queues":     {"waiting 0\n", "pace 0.0 a second"},
		"stats":      {"requests 1\n", "4xx 1\n", "done 1\n"},
		"timings":    {"99 OF 100", "total       4xx     1 "},
		"uptime":     {"0s, since "},
	} {
		got := c.ask(t, say)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q is not in\n%s", say, part, got)
			}
		}
		var value any
		if got := c.ask(t, say+" json"); strings.Count(got, "\n") != 1 || json.Unmarshal([]byte(got), &value) != nil {
			t.Errorf("%s json: %s", say, got)
		}
	}
	for _, say := range []string{"purge all", "shutdown graceful"} {
		if got := c.ask(t, say); !strings.HasPrefix(got, "ERR ") {
			t.Errorf("%s: %s", say, got)
		}
	}
}

// TestSocket: nobody else can open it, what is left behind is replaced, and nothing else is.
func TestSocket(t *testing.T) {
	path := place(t)
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("a second one: %v", err)
	}
	if err := first.(*socket).UnixListener.Close(); err != nil { // as if the process had died
		t.Error(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	dial(t, path) // it was not the first one's to remove
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 0 {
		t.Errorf("%v %v is left", err, entries)
	}
	if err := os.WriteFile(path, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("a file was replaced")
	}
	if _, err := Listen(filepath.Join(filepath.Dir(path), strings.Repeat("x", 200))); err == nil {
		t.Error("a name that is too long")
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(pool(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), tcp); err == nil {
		t.Error("strangers can reach it")
	}
}

// TestLimits: neither long lines nor many or silent connections hold the console up.
func TestLimits(t *testing.T) {
	path, end := run(t, pool(t), &Options{MaxConns: 2})
	c := dial(t, path)
	if got := c.ask(t, "version"); got != "not known\n" {
		t.Error(got)
	}
	long := dial(t, path)
	if got := long.ask(t, strings.Repeat("x", maxLine)); !strings.HasPrefix(got, "ERR A command has at most 4096 bytes.") {
		t.Error(got)
	}
	for { // its place is free when it has been closed
		d, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		second := client{d, bufio.NewReader(d)}
		_, _ = io.WriteString(d, "version\n") // it may be closed already
		line, err := second.in.ReadString('\n')
		if line == "not known\n" {
			break
		}
		d.Close()
		if !strings.HasPrefix(line, "ERR Too many") && err == nil {
			t.Fatal(line)
		}
	}
	third := dial(t, path)
	if line, err := third.in.ReadString('\n'); !strings.HasPrefix(line, "ERR Too many") {
		t.Error(line, err)
	}
	end() // with connections open
	if _, err := c.in.ReadByte(); err == nil {
		t.Error("a connection stays open")
	}
}

// slow is a pool whose backends are never drained.
type slow struct {
	*balance.Balancer
	began chan struct{}
}

func (s slow) Drain(ctx context.Context, name string) error {
	close(s.began)
	<-ctx.Done()
	return ctx.Err()
}

// TestStopsWaiting: a command that waits is given up when the console ends, and says so.
func TestStopsWaiting(t *testing.T) {
	s := slow{pool(t), make(chan struct{})}
	path, end := run(t, s, nil)
	c := dial(t, path)
	if _, err := io.WriteString(c, "node drain b 3600\n"); err != nil {
		t.Fatal(err)
	}
	<-s.began
	end()
	if line, err := c.in.ReadString('\n'); line != "ERR The console is being closed; b stays draining.\n" {
		t.Error(line, err)
	}
	s.began = make(chan struct{})
	path, end = run(t, s, nil)
	defer end()
	if got := dial(t, path).ask(t, "node drain b"); got != "OK b is draining; requests in flight there: 0. Look again by: show pool\n" {
		t.Error(got)
	}
}

// FuzzCommand: no line, and nothing that a backend says, breaks out of an answer.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"help", "pool add x http://h weight=1", "node disable b .\n.\nERR", "node drain b 0", "purge url \x00", "show pool json", "json json"} {
		f.Add(s)
	}
	b, err := balance.New([]balance.Backend{{Name: "b", URL: "http://192.0.2.1:8000"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	c, err := New(b, &Options{Cache: cache{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		cmd, v, err := parse(line)
		if err == nil && (v.name != cmd.verb || len(cmd.args) < v.least || len(cmd.args) > v.most) {
			t.Fatalf("%q: %+v", line, cmd)
		}
		if strings.HasPrefix(cmd.verb, "node drain") {
			return // may wait
		}
		a, _ := c.command(t.Context(), line)
		if a.json && a.err == nil && !json.Valid(a.bytes()[:len(a.bytes())-2]) {
			t.Fatalf("%q: %s", line, a.bytes())
		}
		text := string(a.bytes())
		if !strings.HasSuffix(text, "\n.\n") || strings.Count("\n"+text, "\n.\n") != 1 || strings.ContainsAny(text, "\x00\x1b\r\u0085") {
			t.Fatalf("%q: %q", line, text)
		}
		text = string(answer{text: line}.bytes())
		if strings.Count("\n"+text, "\n.\n") != 1 {
			t.Fatalf("%q", text)
		}
	})
}

func TestOptions(t *testing.T) {
	_, err := New(nil, &Options{MaxConns: -1, IdleTimeout: time.Millisecond})
	for _, part := range []string{"no balancer", "MaxConns is -1", "IdleTimeout is 1ms"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}
