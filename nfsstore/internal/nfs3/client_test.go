package nfs3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(inside); address != "" {
		os.Exit(insideMain(address))
	}
	goleak.VerifyTestMain(m)
}

// export returns a server and a client of it. change may be nil.
func export(t *testing.T, opts *testnfs.Options, change func(*Config)) (*testnfs.Server, *Client) {
	t.Helper()
	s := testnfs.Ganesha(t, opts)
	return s, dial(t, s, change)
}

func dial(t *testing.T, s *testnfs.Server, change func(*Config)) *Client {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func write(t *testing.T, c *Client, name string, content []byte) *File {
	t.Helper()
	f, err := c.Create(t.Context(), name, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteAt(t.Context(), content, 0); n != len(content) || err != nil {
		t.Fatalf("wrote %d: %v", n, err)
	}
	if err := f.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, c *Client, name string) []byte {
	t.Helper()
	f, err := c.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Info().Size()))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got the error %v, want one that matches %q", err, target)
		}
	}
}

// Every call, and what a server says when it cannot be.
func TestCalls(t *testing.T) {
	s, c := export(t, nil, nil)
	ctx := t.Context()
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if l := c.Limits(); l.Read < 64<<10 || l.Write < 64<<10 || !l.Links {
		t.Errorf("limits %+v", l)
	}
	for _, name := range []string{"a", "a/b", "a/b/ünïcode"} {
		if err := c.Mkdir(ctx, name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	content := []byte("hello, export")
	write(t, c, "a/b/ünïcode/f.xo", content)
	if got := read(t, c, "a/b/ünïcode/f.xo"); !bytes.Equal(got, content) {
		t.Errorf("read %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(s.Dir(), "a/b/ünïcode/f.xo")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("on the server: %q, %v", got, err)
	}
	if err := c.Link(ctx, "a/b/ünïcode/f.xo", "a/g"); err != nil {
		t.Fatal(err)
	}
	one, err := c.Stat(ctx, "a/b/ünïcode/f.xo")
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.Stat(ctx, "a/g")
	if err != nil {
		t.Fatal(err)
	}
	if !one.Same(two) || two.Links() != 2 || two.Size() != int64(len(content)) || two.Mode() != 0o644 || two.Name() != "g" || two.IsDir() {
		t.Errorf("after a link: %+v %+v", one, two)
	}
	if age := time.Since(two.ModTime()); age.Abs() > time.Hour {
		t.Errorf("the file was changed %v ago", age)
	}
	if err := c.Chmod(ctx, "a/g", 0o400); err != nil {
		t.Fatal(err)
	}
	if info, err := c.Stat(ctx, "a/g"); err != nil || info.Mode() != 0o400 {
		t.Errorf("after chmod: %v %v", info, err)
	}
	if err := c.Flush(ctx, "a/g"); err != nil {
		t.Error(err)
	}
	if err := c.Rename(ctx, "a/g", "h"); err != nil {
		t.Fatal(err)
	}
	space, err := c.Space(ctx)
	if err != nil || space.TotalBytes != 512<<20 || space.FreeBytes == 0 || space.FreeBytes > space.TotalBytes || space.FreeFiles == 0 {
		t.Errorf("space %+v, %v", space, err)
	}

	if err := os.Symlink("/etc", filepath.Join(s.Dir(), "away")); err != nil {
		t.Fatal(err)
	}
	create := func(name string) error { _, err := c.Create(ctx, name, 0o644); return err }
	open := func(name string) error { _, err := c.Open(ctx, name); return err }
	stat := func(name string) error { _, err := c.Stat(ctx, name); return err }
	for _, tt := range []struct {
		what string
		err  error
		want error
	}{
		{"stat of nothing", stat("a/none"), fs.ErrNotExist},
		{"stat below nothing", stat("none/x"), fs.ErrNotExist},
		{"stat below a file", stat("h/x"), syscall.ENOTDIR},
		{"stat below a symbolic link", stat("away/passwd"), syscall.ENOTDIR},
		{"open of a symbolic link", open("away"), syscall.ELOOP},
		{"open of a directory", open("a"), syscall.EISDIR},
		{"open of the export", open("."), syscall.EISDIR},
		{"create of what is there", create("h"), fs.ErrExist},
		{"create of a directory", create("a"), fs.ErrExist},
		{"create nowhere", create("none/x"), fs.ErrNotExist},
		{"mkdir of what is there", c.Mkdir(ctx, "a", 0o755), fs.ErrExist},
		{"link of nothing", c.Link(ctx, "none", "x"), fs.ErrNotExist},
		{"link to what is there", c.Link(ctx, "h", "a/b/ünïcode/f.xo"), fs.ErrExist},
		{"remove of nothing", c.Remove(ctx, "none"), fs.ErrNotExist},
		{"rmdir of what is not empty", c.Rmdir(ctx, "a"), syscall.ENOTEMPTY},
		{"rename of nothing", c.Rename(ctx, "none", "x"), fs.ErrNotExist},
		{"a parent", stat("a/../h"), ErrName},
		{"an absolute name", stat("/h"), ErrName},
		{"an empty element", stat("a//b"), ErrName},
		{"no name", stat(""), ErrName},
		{"a zero byte", stat("a\x00"), ErrName},
		{"a long element", stat(strings.Repeat("x", 256)), ErrName},
		{"a long name", stat(strings.Repeat("x/", 3000) + "x"), ErrName},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: got the error %v, want one that matches %q", tt.what, tt.err, tt.want)
		}
	}

	for _, name := range []string{"h", "a/b/ünïcode/f.xo", "away"} {
		if err := c.Remove(ctx, name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"a/b/ünïcode", "a/b", "a"} {
		if err := c.Rmdir(ctx, name); err != nil {
			t.Error(err)
		}
	}
	want(t, stat("a/b"), fs.ErrNotExist)
}

// A user who owns a file writes it although its permissions do not let him, as RFC 1813, section
// 4.4, wants; others may not.
func TestPermissions(t *testing.T) {
	s, _ := export(t, nil, nil)
	owner := dial(t, s, func(c *Config) { c.UID, c.GID = 1234, 1234 })
	other := dial(t, s, func(c *Config) { c.UID, c.GID = 4321, 4321 })
	f, err := owner.Create(t.Context(), "f", 0o400)
	if err != nil {
		t.Fatal(err)
	}
	if uid, gid := f.Info().Owner(); uid != 1234 || gid != 1234 || f.Info().Mode() != 0o400 {
		t.Errorf("created as %d:%d %v", uid, gid, f.Info().Mode())
	}
	if _, err := f.WriteAt(t.Context(), []byte("mine"), 0); err != nil {
		t.Error(err)
	}
	if err := f.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	g, err := other.Open(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.ReadAt(make([]byte, 1), 0)
	want(t, err, fs.ErrPermission)
	want(t, other.Chmod(t.Context(), "f", 0o666), fs.ErrPermission)
}

// 64 MB through pieces that do not fit the size of requests, and offsets at the end.
func TestLargeFile(t *testing.T) {
	_, c := export(t, nil, nil)
	content := make([]byte, 64<<20+123)
	seed := rand.NewChaCha8([32]byte{1})
	seed.Read(content) // never fails
	f, err := c.Create(t.Context(), "large", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	const step = 5<<20 + 17
	for at := 0; at < len(content); at += step {
		p := content[at:min(at+step, len(content))]
		if n, err := f.WriteAt(t.Context(), p, int64(at)); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(p), err)
		}
	}
	if err := f.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err = c.Open(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, io.NewSectionReader(f, 0, 1<<40), make([]byte, step))
	if err != nil || n != int64(len(content)) {
		t.Fatalf("read %d: %v", n, err)
	}
	if got := [32]byte(h.Sum(nil)); got != sha256.Sum256(content) {
		t.Error("other bytes came back")
	}
	p := make([]byte, 3<<20)
	for _, tt := range []struct {
		off  int64
		want int
	}{{int64(len(content)) - 10, 10}, {int64(len(content)), 0}, {1 << 62, 0}} {
		n, err := f.ReadAt(p, tt.off)
		if n != tt.want || err != io.EOF {
			t.Errorf("ReadAt(%d) = %d, %v; want %d, EOF", tt.off, n, err, tt.want)
		}
	}
	_, err = f.ReadAt(p, -1)
	want(t, err, syscall.EINVAL)
	_, err = f.WriteAt(t.Context(), p, 1<<63-1)
	want(t, err, syscall.EINVAL)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	_, err = f.ReadAt(p, 0)
	want(t, err, fs.ErrClosed)
	want(t, f.Close(), fs.ErrClosed)
}

func TestReadDir(t *testing.T) {
	s, c := export(t, nil, nil)
	if err := c.Mkdir(t.Context(), "many", 0o755); err != nil {
		t.Fatal(err)
	}
	expected := make(map[string]bool)
	for i := range 10_000 {
		name := fmt.Sprintf("a name that is somewhat long, number %05d é", i)
		expected[name] = true
		if err := os.WriteFile(filepath.Join(s.Dir(), "many", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string]bool)
	for info, err := range c.ReadDir(t.Context(), "many") {
		if err != nil {
			t.Fatal(err)
		}
		if got[info.Name()] || info.Mode() != 0o644 {
			t.Errorf("%s, %v, again or with other permissions", info.Name(), info.Mode())
		}
		got[info.Name()] = true
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Error(diff)
	}
	n := 0
	for range c.ReadDir(t.Context(), "many") {
		if n++; n == 3 {
			break
		}
	}
	for _, name := range []string{"none", "many/x", "../x"} {
		n := 0
		for info, err := range c.ReadDir(t.Context(), name) {
			if n++; err == nil || info != nil {
				t.Errorf("ReadDir(%q) yields %v, %v", name, info, err)
			}
		}
		if n != 1 {
			t.Errorf("ReadDir(%q) yields %d times", name, n)
		}
	}
}

// Of several creators of a name one wins.
func TestCreateRace(t *testing.T) {
	s, c := export(t, nil, nil)
	clients := []*Client{c, dial(t, s, nil), dial(t, s, nil)}
	for round := range 50 {
		name := fmt.Sprint("f", round)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				_, err := clients[i%len(clients)].Create(t.Context(), name, 0o644)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, fs.ErrExist):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d have created %s", won.Load(), name)
		}
	}
}

// A directory that another client replaced is looked up again, deep in a path too.
func TestStaleDirectory(t *testing.T) {
	s, c := export(t, nil, nil)
	other := dial(t, s, nil)
	for _, name := range []string{"a", "a/b", "a/b/c"} {
		if err := c.Mkdir(t.Context(), name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, c, "a/b/c/f", []byte("old"))
	if err := other.Remove(t.Context(), "a/b/c/f"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b/c", "a/b", "a"} {
		if err := other.Rmdir(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "a/b", "a/b/c"} {
		if err := other.Mkdir(t.Context(), name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, c, "a/b/c/f", []byte("new"))
	if got := read(t, c, "a/b/c/f"); string(got) != "new" {
		t.Errorf("read %q", got)
	}
	f, err := c.Open(t.Context(), "a/b/c/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(t.Context(), "a/b/c/f"); err != nil {
		t.Fatal(err)
	}
	_, err = f.ReadAt(make([]byte, 1), 0)
	want(t, err, syscall.ESTALE)
}

// The server is killed and started again while files are written: whoever heard that a file is safe
// finds it, and others can finish.
func TestRestart(t *testing.T) {
	s, c := export(t, nil, nil)
	const writers, size = 4, 3 << 20
	content := func(name string) []byte {
		p := make([]byte, size)
		rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(p) // never fails
		return p
	}
	var safe sync.Map
	var count, rewritten, unknown, orphaned atomic.Int32
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("w%d-%d", w, i%6)
				safe.Delete(name)
				if err := c.Remove(t.Context(), name); errors.Is(err, ErrUnknownOutcome) {
					unknown.Add(1)
					continue
				} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
					return
				}
				f, err := c.Create(t.Context(), name, 0o644)
				if errors.Is(err, fs.ErrExist) {
					// The server was killed when it had made the file and not yet noted whose it is.
					orphaned.Add(1)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for {
					if _, err := f.WriteAt(t.Context(), content(name), 0); err != nil {
						t.Error(err)
						return
					}
					err := f.Sync(t.Context())
					if err == nil {
						break
					}
					if !errors.Is(err, ErrRewrite) {
						t.Error(err)
						return
					}
					rewritten.Add(1)
				}
				safe.Store(name, true)
				count.Add(1)
			}
		})
	}
	const kills = 4
	for range kills {
		waitUntil(t, func(before int32) bool { return count.Load() >= before+8 }, count.Load())
		s.Kill()
		s.Start()
	}
	waitUntil(t, func(before int32) bool { return count.Load() >= before+8 }, count.Load())
	close(stop)
	wg.Wait()
	safe.Range(func(name, _ any) bool {
		if got := read(t, c, name.(string)); !bytes.Equal(got, content(name.(string))) {
			t.Errorf("%s holds other bytes", name)
		}
		return true
	})
	if n := orphaned.Load(); n > kills*writers {
		t.Errorf("%d files of %d kills are of nobody", n, kills)
	}
	t.Logf("%d files, %d rewritten, %d removals of unknown outcome", count.Load(), rewritten.Load(), unknown.Load())
}

func waitUntil(t *testing.T, done func(int32) bool, start int32) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done(start) {
		if time.Now().After(deadline) || t.Failed() {
			t.Fatal("it does not come")
		}
		time.Sleep(time.Millisecond)
	}
}

// Bytes that the server had in memory when it was killed are asked for again.
func TestRewrite(t *testing.T) {
	s, c := export(t, nil, nil)
	f, err := c.Create(t.Context(), "f", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(t.Context(), []byte("first"), 0); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Start()
	want(t, f.Sync(t.Context()), ErrRewrite)
	if _, err := f.WriteAt(t.Context(), []byte("again"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Written in two lives, and synced in the second.
	if _, err := f.WriteAt(t.Context(), []byte("first"), 0); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Start()
	if _, err := f.WriteAt(t.Context(), []byte("second"), 5); err != nil {
		t.Fatal(err)
	}
	want(t, f.Sync(t.Context()), ErrRewrite)
	if err := f.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// A frozen server: contexts and the time-out are honoured, what may have been done is called
// unknown, and when the server goes on so does the client.
func TestFrozen(t *testing.T) {
	const timeout = 2 * time.Second
	s, c := export(t, nil, func(c *Config) { c.Timeout, c.MaxInFlight = timeout, 8 })
	write(t, c, "f", []byte("content"))
	s.Stop()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := c.Stat(short, "f")
	want(t, err, ErrNoAnswer, context.DeadlineExceeded)
	if took := time.Since(began); took > timeout {
		t.Errorf("it took %v", took)
	}
	var wg sync.WaitGroup
	began = time.Now()
	for i := range 40 {
		wg.Go(func() {
			switch i % 4 {
			case 0:
				err := c.Mkdir(t.Context(), fmt.Sprint("d", i), 0o755)
				want(t, err, ErrNoAnswer)
			case 1:
				_, err := c.Create(t.Context(), fmt.Sprint("f", i), 0o644)
				want(t, err, ErrNoAnswer)
				if errors.Is(err, ErrUnknownOutcome) {
					t.Errorf("an exclusive creation is safe to repeat: %v", err)
				}
			case 2:
				_, err := c.Stat(t.Context(), "f")
				want(t, err, ErrNoAnswer)
			case 3:
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				want(t, c.Ping(ctx), context.Canceled)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 5*timeout {
		t.Errorf("it took %v", took)
	}
	// While it is silent most calls fail at once; one that is let through may have been done.
	began = time.Now()
	for !errors.Is(c.Mkdir(t.Context(), "one", 0o755), ErrUnknownOutcome) {
		if time.Since(began) > time.Minute {
			t.Fatal("no call looks whether the server answers again")
		}
		time.Sleep(10 * time.Millisecond) // between polls
	}
	s.Cont()
	for c.Ping(t.Context()) != nil {
		if time.Since(began) > time.Minute {
			t.Fatal("the server is never heard again")
		}
		time.Sleep(10 * time.Millisecond) // between polls
	}
	if got := read(t, c, "f"); string(got) != "content" {
		t.Errorf("read %q", got)
	}
	if err := c.Mkdir(t.Context(), "later", 0o755); err != nil {
		t.Error(err)
	}
}

func TestFull(t *testing.T) {
	_, c := export(t, &testnfs.Options{Size: 4 << 20}, nil)
	f, err := c.Create(t.Context(), "f", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(t.Context(), make([]byte, 6<<20), 0)
	if err == nil {
		err = f.Sync(t.Context())
	}
	want(t, err, syscall.ENOSPC)
	if err := c.Remove(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	write(t, c, "g", make([]byte, 1<<20))
}

// Close wakes whoever waits for a frozen server; goleak looks for the rest.
func TestClose(t *testing.T) {
	s, c := export(t, nil, nil)
	s.Stop()
	done := make(chan error)
	go func() { done <- c.Ping(t.Context()) }()
	waitUntil(t, func(int32) bool {
		conn := c.rpc.alive()
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return len(conn.pending) == 1
	}, 0)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	want(t, <-done, ErrClosed)
	want(t, c.Ping(t.Context()), ErrClosed)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	s.Cont()
}
