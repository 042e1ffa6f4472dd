package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// flip changes one bit of a file behind the back of its store.
func (p place) flip(t testing.TB, name string, b []byte, at int) {
	t.Helper()
	b = bytes.Clone(b)
	b[at] ^= 1
	p.spoil(t, name, b)
}

// spoil makes a file hold something else; it stays the same file, where that can be done.
func (p place) spoil(t testing.TB, name string, b []byte) {
	t.Helper()
	if p.mem != nil {
		p.overwrite(t, name, b)
		return
	}
	file := filepath.Join(p.dir, name)
	if err := errors.Join(os.Chmod(file, 0o644), os.WriteFile(file, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// cut takes the end of a file away.
func (p place) cut(t testing.TB, name string, b []byte) {
	t.Helper()
	if p.mem != nil {
		p.overwrite(t, name, b)
		return
	}
	if err := os.Truncate(filepath.Join(p.dir, name), int64(len(b))); err != nil {
		t.Fatal(err)
	}
}

// A finding is what a test looks at of a problem.
type finding struct {
	Name string
	Kind ProblemKind
	Says string
}

// scrubbed scrubs and returns the problems in the order of their names.
func scrubbed(t testing.TB, s *Store, o ScrubOptions) (found []finding, stats ScrubStats) {
	t.Helper()
	o.Found = func(p Problem) error {
		found = append(found, finding{p.Name, p.Kind, p.String()})
		return nil
	}
	stats, err := s.Scrub(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.Name, b.Name) })
	return found, stats
}

func addressed(b []byte) string {
	hex := fmt.Sprintf("%x", sumOf(b))
	return "uploads/sha256/" + hex[:2] + "/" + hex
}

func TestScrub(t *testing.T) { onDisk(t, testScrub) }

func testScrub(t *testing.T, p place) {
	s := p.open(t, nil)
	var size int64
	for i := range 8 {
		b := content(uint64(i), bufferSize-3+i)
		size += int64(len(b))
		mustPut(t, s, addressed(b), b)
	}
	mustPut(t, s, "plain", []byte("known to nobody"))
	size += 15
	found, stats := scrubbed(t, s, ScrubOptions{})
	if want := (ScrubStats{Files: 9, Bytes: size, Unknown: 1}); stats != want || found != nil {
		t.Errorf("all is well: %+v, %q; want %+v", stats, found, want)
	}
	one, other := addressed(content(3, bufferSize)), addressed(content(5, bufferSize+2))
	p.flip(t, one, content(3, bufferSize), 100_000)
	p.cut(t, other, content(5, 10))
	found, stats = scrubbed(t, s, ScrubOptions{Concurrency: 5})
	want := []finding{{one, ProblemDamaged, fmt.Sprintf("%s is damaged: its %d bytes have the SHA-256 ", one, bufferSize)}, {other, ProblemDamaged, other + " is damaged: it"}}
	slices.SortFunc(want, func(a, b finding) int { return strings.Compare(a.Name, b.Name) })
	begins := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
	if diff := cmp.Diff(want, found, begins); diff != "" || stats.Files != 9 || stats.Problems != 2 {
		t.Errorf("two damaged files: %+v (-want +got):\n%s", stats, diff)
	}
}

// expect makes a list of what is expected.
func expect(es ...Expected) iter.Seq2[Expected, error] {
	return func(yield func(Expected, error) bool) {
		for _, e := range es {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestScrubExpected(t *testing.T) { onDisk(t, testScrubExpected) }

func testScrubExpected(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(1, 5000)
	for _, name := range []string{"good", "flipped", "short", "size-only", "unexpected", "folder/x", "nothing-known"} {
		mustPut(t, s, name, b)
	}
	p.flip(t, "flipped", b, 4999)
	p.flip(t, "size-only", b, 0)
	p.cut(t, "short", b[:4999])
	sum := sumOf(b)
	found, stats := scrubbed(t, s, ScrubOptions{Expected: expect(
		Expected{"good", 5000, sum}, Expected{"flipped", 5000, sum}, Expected{"short", 5000, sum}, Expected{"size-only", 5000, nil},
		Expected{"absent/x", 5000, sum}, Expected{"folder", -1, sum}, Expected{"good", -1, sum}, Expected{"nothing-known", -1, nil}, Expected{"../x", 1, sum},
	)})
	want := []finding{
		{"../x", ProblemMissing, `../x is missing: nfsstore: name ../x: the element ".." begins with a dot`},
		{"absent/x", ProblemMissing, "absent/x is missing: nfsstore: scrub absent/x: there is no such file"},
		{"flipped", ProblemDamaged, "flipped is damaged: its 5000 bytes have the SHA-256"},
		{"folder", ProblemMissing, "folder is missing: nfsstore: scrub folder: there is no such file"},
		{"short", ProblemDamaged, "short is damaged: it has 4999 bytes where it should have 5000"},
	}
	begins := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
	if diff := cmp.Diff(want, found, begins); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if stats.Files != 9 || stats.Problems != 5 || stats.Unknown != 2 {
		t.Errorf("counted %+v, want 9 files, 5 problems and 2 unknown", stats)
	}
}

func TestScrubRefusesAndEnds(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	for i := range 20 {
		mustPut(t, s, fmt.Sprint("f", i), nil)
	}
	broken := errors.New("the database is gone")
	stop := errors.New("enough")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		o    ScrubOptions
		want error
	}{
		"bandwidth":   {o: ScrubOptions{Bandwidth: -1}, want: fs.ErrInvalid},
		"concurrency": {o: ScrubOptions{Concurrency: -1}, want: fs.ErrInvalid},
		"sum":         {o: ScrubOptions{Expected: expect(Expected{"f1", 0, []byte("short")})}, want: fs.ErrInvalid},
		"list":        {o: ScrubOptions{Expected: func(yield func(Expected, error) bool) { yield(Expected{}, broken) }}, want: broken},
		"Found":       {o: ScrubOptions{Expected: expect(Expected{"x", -1, nil}, Expected{"y", -1, nil}), Found: func(Problem) error { return stop }}, want: stop},
		"context":     {ctx: canceled, want: context.Canceled},
	} {
		if c.ctx == nil {
			c.ctx = t.Context()
		}
		if _, err := s.Scrub(c.ctx, &c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	var last ScrubStats
	if _, err := s.Scrub(t.Context(), &ScrubOptions{Concurrency: 8, Progress: func(now ScrubStats) {
		if now.Files != last.Files+1 {
			t.Errorf("Progress came with %d files after %d", now.Files, last.Files)
		}
		last = now
	}}); err != nil || last.Files != 20 {
		t.Errorf("%+v, %v; want 20 files", last, err)
	}
}

// A hookVolume does something else first when a file is opened or the space is asked for, and changes
// what is read.
type hookVolume struct {
	vol.Vol
	before func(name string) error
	after  func(name string, f vol.File) vol.File
	space  func() error
}

func (v *hookVolume) Open(ctx context.Context, name string) (vol.File, error) {
	if v.before != nil {
		if err := v.before(name); err != nil {
			return nil, err
		}
	}
	f, err := v.Vol.Open(ctx, name)
	if err == nil && v.after != nil {
		f = v.after(name, f)
	}
	return f, err
}

func (v *hookVolume) Space(ctx context.Context) (vol.Space, error) {
	if v.space != nil {
		if err := v.space(); err != nil {
			return vol.Space{}, err
		}
	}
	return v.Vol.Space(ctx)
}

// A readFile reads something else.
type readFile struct {
	vol.File
	r io.Reader
}

func (f readFile) Read(p []byte) (int, error) { return f.r.Read(p) }

func (f readFile) Detach() {
	if d, ok := f.File.(vol.Detacher); ok {
		d.Detach()
	}
}

// What goes wrong with one file is a problem, what goes wrong with all ends the scrub, and what goes
// wrong once is neither.
func TestScrubTellsFaultsApart(t *testing.T) {
	open := func(errno syscall.Errno) error { return &fs.PathError{Op: "openat", Path: "b", Err: errno} }
	for name, c := range map[string]struct {
		before []error     // of opening b, try by try
		reads  []io.Reader // of b, try by try; nil: what is there
		space  error
		want   []finding
		err    error
	}{
		"bad spot":           {before: []error{open(syscall.EIO), open(syscall.EIO)}, want: []finding{{"b", ProblemUnreadable, ""}}},
		"not ours":           {before: []error{open(syscall.EACCES), open(syscall.EACCES)}, want: []finding{{"b", ProblemUnreadable, ""}}},
		"bad spot once":      {before: []error{open(syscall.EIO)}},
		"disk gone":          {before: []error{open(syscall.EIO)}, space: open(syscall.EIO), err: ErrUnavailable},
		"went before":        {before: []error{open(syscall.ENOENT)}},
		"damaged once":       {reads: []io.Reader{strings.NewReader("other")}},
		"damaged":            {reads: []io.Reader{strings.NewReader("other"), strings.NewReader("others")}, want: []finding{{"b", ProblemDamaged, ""}}},
		"went while read":    {reads: []io.Reader{readFunc(func([]byte) (int, error) { return 0, syscall.ESTALE })}, before: []error{nil, open(syscall.ENOENT)}},
		"stale for ever":     {before: slices.Repeat([]error{open(syscall.ESTALE)}, 4), want: []finding{{"b", ProblemUnreadable, ""}}},
		"bad spot in middle": {reads: slices.Repeat([]io.Reader{readFunc(func([]byte) (int, error) { return 0, syscall.EIO })}, 2), want: []finding{{"b", ProblemUnreadable, ""}}},
		"closed":             {before: []error{fs.ErrClosed}, err: fs.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir(), nil)
			for _, name := range []string{"a", "b", "c"} {
				mustPut(t, s, "sha256/"+addressed([]byte(name))[15:], []byte(name))
			}
			at := addressed([]byte("b"))[8:]
			s.vol = &hookVolume{
				Vol: s.vol,
				before: func(name string) (err error) {
					if name == at && len(c.before) > 0 {
						err, c.before = c.before[0], c.before[1:]
					}
					return err
				},
				after: func(name string, f vol.File) vol.File {
					if name == at && len(c.reads) > 0 {
						f, c.reads = readFile{f, c.reads[0]}, c.reads[1:]
					}
					return f
				},
				space: func() error { return c.space },
			}
			var found []finding
			_, err := s.Scrub(t.Context(), &ScrubOptions{Concurrency: 1, Found: func(p Problem) error {
				found = append(found, finding{strings.Replace(p.Name, at, "b", 1), p.Kind, ""})
				return nil
			}})
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("got %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, found); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// On a mount that hangs a scrub ends, in bounded time and with bounded threads.
func TestScrubOfAHangingMount(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	for i := range 10 {
		mustPut(t, s, fmt.Sprint("f", i), nil)
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), dir, &Options{Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		s.gate.apart = true
		back := make(chan struct{})
		s.vol = &hookVolume{Vol: s.vol, before: func(string) error { <-back; return nil }}
		start := time.Now()
		if _, err := s.Scrub(t.Context(), nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if took := time.Since(start); took > 2*scrubStall {
			t.Errorf("it took %v", took)
		}
		close(back)
		synctest.Wait()
		if stats, err := s.Scrub(t.Context(), nil); err != nil || stats.Files != 10 {
			t.Errorf("after it came back: %+v, %v", stats, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestScrubKeepsItsPace(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	for i := range 10 {
		mustPut(t, s, fmt.Sprint("f", i), content(uint64(i), 100_000))
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if stats, err := s.Scrub(t.Context(), &ScrubOptions{Bandwidth: 100_000, Concurrency: 4}); err != nil || stats.Bytes != 1_000_000 {
			t.Errorf("%+v, %v", stats, err)
		}
		if took := time.Since(start); took < 8*time.Second || took > 12*time.Second {
			t.Errorf("a million bytes at 100,000 a second took %v", took)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A scrub whose server freezes ends, and one after it went on works.
func TestScrubOfAFrozenServer(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL()+"&timeout=1s", nil)
	b := content(1, 3*bufferSize)
	for i := range 6 {
		mustPut(t, s, fmt.Sprint("f", i), b)
	}
	var once sync.Once
	_, err := s.Scrub(t.Context(), &ScrubOptions{Progress: func(ScrubStats) { once.Do(server.Stop) }})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	// Its context ends it also in the middle of a file.
	server.Cont()
	var freeze sync.Once
	patient := openStore(t, server.URL(), nil) // with 30 seconds
	patient.vol = &hookVolume{Vol: patient.vol, after: func(_ string, f vol.File) vol.File {
		return readFile{f, io.MultiReader(io.LimitReader(f, 1000), readFunc(func(p []byte) (int, error) {
			freeze.Do(server.Stop)
			return f.Read(p)
		}))}
	}}
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(time.Second, cancel)
	if _, err := patient.Scrub(ctx, nil); !errors.Is(err, context.Canceled) || time.Since(began) > 8*time.Second {
		t.Errorf("in the middle of a file: %v after %v, want context.Canceled at once", err, time.Since(began))
	}
	server.Cont()
	until(t, "scrubbing", func() error {
		stats, err := s.Scrub(t.Context(), nil)
		if err == nil && (stats.Files != 6 || stats.Problems != 0) {
			t.Errorf("after it went on: %+v", stats)
		}
		return err
	})
}

func TestAddressOf(t *testing.T) {
	sum := sumOf([]byte("x"))
	hex := fmt.Sprintf("%x", sum)
	for name, want := range map[string][]byte{
		"uploads/sha256/" + hex[:2] + "/" + hex:                       sum,
		"sha256/" + hex[:2] + "/" + hex:                               sum,
		"a/b/sha256/" + hex[:2] + "/" + hex:                           sum,
		hex[:2] + "/" + hex:                                           nil,
		"sha1/" + hex[:2] + "/" + hex:                                 nil,
		"sha256/00/" + hex:                                            nil,
		"sha256/" + hex[:2] + "/" + hex[1:]:                           nil,
		"sha256/" + hex[:2] + "/" + hex + ".xo":                       nil,
		"sha256/" + hex[:2] + "/" + strings.ToUpper(hex):              nil,
		"sha256/" + hex[:2] + "/" + hex[:2] + strings.Repeat("z", 62): nil,
		"sha256/" + hex[:2] + "/" + hex + "/x":                        nil,
	} {
		if got := addressOf(name); !bytes.Equal(got, want) {
			t.Errorf("addressOf(%q) = %x, want %x", name, got, want)
		}
	}
}
