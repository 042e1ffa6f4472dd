package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A faultVolume writes down the operations on a volume and lets one fail.
type faultVolume struct {
	*faultvol.Vol
	mu    sync.Mutex
	ops   []string
	at    int // the operation that fails, from 0; -1: none
	err   error
	after bool // the operation is done, only the answer is lost
}

func newFaultVolume(inner vol.Vol, at int, err error, after bool) *faultVolume {
	v := &faultVolume{at: at, err: err, after: after}
	v.Vol = faultvol.New(inner, v.plan)
	return v
}

func (v *faultVolume) plan(op faultvol.Op) faultvol.Fault {
	switch op.Verb {
	case "read", "opendir", "readdir", "space":
		return faultvol.Fault{}
	}
	op.Name, op.To = short(op.Name), short(op.To)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ops = append(v.ops, op.String())
	if len(v.ops)-1 != v.at {
		return faultvol.Fault{}
	}
	return faultvol.Fault{Err: v.err, Done: v.after}
}

// short replaces a temporary name by TEMP, one in the trash by what it was and the day by DAY.
func short(name string) string {
	if path.Dir(path.Dir(name)) == trashDir {
		if _, ok := trashedAt(path.Base(name)); ok {
			return path.Join(trashDir, "DAY", path.Base(name)[trashPrefix:])
		}
	}
	if path.Dir(name) == trashDir {
		return path.Join(trashDir, "DAY")
	}
	if _, ok := tempTime(path.Base(name)); ok {
		return path.Join(path.Dir(name), "TEMP")
	}
	return name
}

// faulty returns a store whose file system fails at one operation.
func faulty(t *testing.T, p place, at int, err error, after bool) (*Store, *faultVolume) {
	t.Helper()
	s := p.open(t, nil)
	v := newFaultVolume(s.vol, at, err, after)
	s.vol = v
	return s, v
}

func TestOrderOfOperations(t *testing.T) { onDisk(t, testOrderOfOperations) }

func testOrderOfOperations(t *testing.T, p place) {
	s, v := faulty(t, p, -1, nil, false)
	b := content(1, bufferSize+1)
	take := func() []string {
		ops := v.ops
		v.ops = nil
		return ops
	}
	check := func(what string, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if p.export() { // a fence makes all safe that came before
			want = slices.DeleteFunc(want, func(op string) bool { return strings.HasPrefix(op, "persist .trash/DAY/") })
		}
		if diff := cmp.Diff(want, take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("the first Put", put(t.Context(), s, "a/b/c", b),
		"open a/b/c", // not there
		"mkdir a", "persist a", "mkdir a/b", "persist a/b",
		"create a/b/TEMP", "write a/b/TEMP", "write a/b/TEMP", "sync a/b/TEMP", "close a/b/TEMP",
		"link a/b/TEMP → a/b/c", "remove a/b/TEMP", "persist a/b/c")
	check("a second one in the same folder", put(t.Context(), s, "a/b/d", nil),
		"open a/b/d",
		"create a/b/TEMP", "sync a/b/TEMP", "close a/b/TEMP", "link a/b/TEMP → a/b/d", "remove a/b/TEMP", "persist a/b/d")
	check("the same again", put(t.Context(), s, "a/b/c", b), "open a/b/c", "persist a/b/c")
	check("the same again without a sum", s.Put(t.Context(), "a/b/d", bytes.NewReader(nil), 0, nil),
		"create a/b/TEMP", "sync a/b/TEMP", "close a/b/TEMP", "link a/b/TEMP → a/b/d", "open a/b/d", "remove a/b/TEMP", "persist a/b/d")
	check("Link", s.Link(t.Context(), "a/b/c", "p/c"), "stat a/b/c", "mkdir p", "persist p", "link a/b/c → p/c", "persist p/c")
	check("Link again", s.Link(t.Context(), "a/b/c", "p/c"), "stat a/b/c", "link a/b/c → p/c", "stat p/c", "persist p/c")
	check("Remove", s.Remove(t.Context(), "p/c"), "stat p/c",
		"mkdir .trash", "persist .trash", "mkdir .trash/DAY", "persist .trash/DAY",
		"rename p/c → .trash/DAY/p,c", "persist .trash/DAY/p,c", "persist the absence of p/c")
	if err := s.Remove(t.Context(), "p/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	check("Remove again", nil, "stat p/c", "persist the absence of p/c")
	check("Remove another", s.Remove(t.Context(), "a/b/d"), "stat a/b/d",
		"rename a/b/d → .trash/DAY/a,b,d", "persist .trash/DAY/a,b,d", "persist the absence of a/b/d")
	other := content(2, 3)
	repaired := Expected{"a/b/c", 3, sumOf(other)}
	check("Repair of what is damaged", s.Repair(t.Context(), repaired, bytes.NewReader(other)),
		"open a/b/c", "create a/b/TEMP", "write a/b/TEMP", "sync a/b/TEMP", "close a/b/TEMP",
		"open a/b/c", "link a/b/c → .trash/DAY/a,b,c", "persist .trash/DAY/a,b,c",
		"rename a/b/TEMP → a/b/c", "persist a/b/c")
	check("Repair again", s.Repair(t.Context(), repaired, nil), "open a/b/c", "persist a/b/c")
	b = other

	// Another process has just been killed between making a folder and syncing it.
	second := p.open(t, nil)
	v = newFaultVolume(second.vol, -1, nil, false)
	second.vol = v
	check("a store that does not know the folders", put(t.Context(), second, "a/b/c", b),
		"open a/b/c", "mkdir a", "persist a", "mkdir a/b", "persist a/b", "persist a/b/c")
}

// calls are what the fault tests go through, each from a prepared store to a known end.
var calls = map[string]struct {
	prepare func(ctx context.Context, s *Store) error
	call    func(ctx context.Context, s *Store) error
	name    string // what the call is about
	gone    bool   // and whether it goes away
	was     []byte // what it may hold before
}{
	"Put": {
		call: func(ctx context.Context, s *Store) error { return put(ctx, s, "a/b", faultContent) },
		name: "a/b",
	},
	"Put without a sum": {
		call: func(ctx context.Context, s *Store) error {
			return s.Put(ctx, "a/b", bytes.NewReader(faultContent), int64(len(faultContent)), nil)
		},
		name: "a/b",
	},
	"Put again": {
		prepare: func(ctx context.Context, s *Store) error { return put(ctx, s, "a/b", faultContent) },
		call:    func(ctx context.Context, s *Store) error { return put(ctx, s, "a/b", faultContent) },
		name:    "a/b",
	},
	"Link": {
		prepare: func(ctx context.Context, s *Store) error { return put(ctx, s, "from", faultContent) },
		call:    func(ctx context.Context, s *Store) error { return s.Link(ctx, "from", "a/b") },
		name:    "a/b",
	},
	"Link again": {
		prepare: func(ctx context.Context, s *Store) error {
			return errors.Join(put(ctx, s, "from", faultContent), put(ctx, s, "a/b", faultContent))
		},
		call: func(ctx context.Context, s *Store) error { return s.Link(ctx, "from", "a/b") },
		name: "a/b",
	},
	"Remove": {
		prepare: func(ctx context.Context, s *Store) error { return put(ctx, s, "a/b", faultContent) },
		call: func(ctx context.Context, s *Store) error {
			if err := s.Remove(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil // removed by an earlier try
		},
		name: "a/b",
		gone: true,
	},
	"Repair": {
		prepare: func(ctx context.Context, s *Store) error { return put(ctx, s, "a/b", damagedContent) },
		call:    repairAB,
		name:    "a/b",
		was:     damagedContent,
	},
	"Repair of what is missing": {
		call: repairAB,
		name: "a/b",
		was:  damagedContent,
	},
}

func repairAB(ctx context.Context, s *Store) error {
	return s.Repair(ctx, Expected{"a/b", int64(len(faultContent)), sumOf(faultContent)}, bytes.NewReader(faultContent))
}

var (
	faultContent   = content(3, bufferSize+100)
	damagedContent = content(4, 100)
)

// TestFaultAnywhere lets every single operation of every call fail in every way, before and after it
// took effect. Nothing may be seen by half, no temporary file may stay, the error must tell what it
// is, and the same call must succeed afterwards.
func TestFaultAnywhere(t *testing.T) { onDisk(t, testFaultAnywhere) }

func testFaultAnywhere(t *testing.T, p place) {
	t.Parallel()
	faults := []struct {
		errno syscall.Errno
		want  error
	}{
		{syscall.ENOSPC, ErrNoSpace}, {syscall.EDQUOT, ErrNoSpace}, {syscall.EROFS, ErrReadOnly},
		{syscall.EACCES, ErrReadOnly}, {syscall.EIO, ErrUnavailable}, {syscall.ESTALE, ErrUnavailable},
	}
	for name, c := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(p place, at int, err error, after bool) (s *Store, v *faultVolume, got error) {
				s, v = faulty(t, p, -1, err, after)
				if c.prepare != nil {
					if err := c.prepare(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
				v.ops, v.at = nil, at
				return s, v, c.call(t.Context(), s)
			}
			_, clean, err := run(p.sub(t), -1, nil, false)
			if err != nil || len(clean.ops) < 2 {
				t.Fatalf("without a fault: %v, %q", err, clean.ops)
			}
			for at, op := range clean.ops {
				for _, fault := range faults {
					for _, after := range []bool{false, true} {
						what := fmt.Sprintf("%v at %q, after it took effect: %v", fault.errno, op, after)
						p := p.sub(t)
						s, v, err := run(p, at, &fs.PathError{Op: "fault", Path: "x", Err: fault.errno}, after)
						// Only a file whose making was not reported is unknown to us. (A removal
						// that failed is tried once more.)
						tempStays := op == "create a/TEMP" && after
						// What is tried again, or is found out in another way.
						verb, _, _ := strings.Cut(op, " ")
						mayPass := op == "remove a/TEMP" || name == "Link again" && op == "stat a/b" ||
							c.was != nil && (verb == "open" || verb == "stat") || // what cannot be read is to be repaired
							!errors.Is(fault.want, ErrUnavailable) && fault.errno != syscall.EROFS &&
								(strings.HasSuffix(op, " .trash") || strings.HasSuffix(op, " .trash/DAY") || strings.Contains(op, "→ .trash/")) // done without
						if fault.errno == syscall.ESTALE { // looked at anew
							mayPass = mayPass || op == "persist a" || op == "persist .trash" || op == "persist .trash/DAY" ||
								slices.Contains([]string{"open", "stat", "mkdir", "create", "link", "rename"}, verb)
						}
						switch {
						case err != nil && !errors.Is(err, fault.want):
							t.Errorf("%s: %v, want %v", what, err, fault.want)
						case err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)):
							t.Errorf("%s: the error is mistaken for another: %v", what, err)
						case err == nil && !mayPass:
							t.Errorf("%s: no error", what)
						}
						v.mu.Lock()
						v.at = -1
						v.mu.Unlock()
						if got, err := read(t.Context(), s, c.name); err == nil && !bytes.Equal(got, faultContent) && (c.was == nil || !bytes.Equal(got, c.was)) {
							t.Errorf("%s: %d wrong bytes are visible", what, len(got))
						} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
							t.Errorf("%s: %v", what, err)
						}
						if _, temps := p.tree(t); len(temps) > 0 != tempStays {
							t.Errorf("%s: temporary files: %q", what, temps)
						}
						if err := c.call(t.Context(), s); err != nil {
							t.Errorf("%s: again: %v", what, err)
						}
						if _, err := read(t.Context(), s, c.name); c.gone != errors.Is(err, fs.ErrNotExist) {
							t.Errorf("%s: in the end: %v", what, err)
						}
						if _, err := s.Sweep(t.Context(), 0); err != nil {
							t.Errorf("%s: sweep: %v", what, err)
						}
						p.noTemps(t)
						if err := s.Close(); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
}

// The reply to a link is lost, the client sends it again, and the server says that it exists.
func TestLostReplyOfLink(t *testing.T) { onDisk(t, testLostReplyOfLink) }

func testLostReplyOfLink(t *testing.T, p place) {
	for name, c := range calls {
		if c.gone {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := p.sub(t)
			s, v := faulty(t, p, -1, &os.LinkError{Op: "linkat", Err: syscall.EEXIST}, true)
			if c.prepare != nil {
				if err := c.prepare(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			v.ops = nil
			if err := c.call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			at := -1
			for i, op := range v.ops {
				if strings.HasPrefix(op, "link") {
					at = i
				}
			}
			if err := s.Remove(t.Context(), c.name); err != nil {
				t.Fatal(err)
			}
			if at < 0 {
				return // a call that found everything in place
			}
			// Directories are known now, so count afresh.
			v.ops, v.at = nil, -1
			if err := c.call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			for i, op := range v.ops {
				if strings.HasPrefix(op, "link") {
					at = i
				}
			}
			if err := s.Remove(t.Context(), c.name); err != nil {
				t.Fatal(err)
			}
			v.ops, v.at = nil, at
			if err := c.call(t.Context(), s); err != nil {
				t.Error(err)
			}
			mustHold(t, s, c.name, faultContent)
			p.noTemps(t)
		})
	}
}

// Links that the file system refuses are replaced by copies.
func TestLinkCopiesInstead(t *testing.T) { onDisk(t, testLinkCopiesInstead) }

func testLinkCopiesInstead(t *testing.T, p place) {
	for _, errno := range []syscall.Errno{syscall.EMLINK, syscall.EXDEV, syscall.EPERM, syscall.ENOTSUP} {
		t.Run(errno.Error(), func(t *testing.T) {
			p := p.sub(t)
			s, v := faulty(t, p, -1, &os.LinkError{Op: "linkat", Err: errno}, false)
			if err := errors.Join(put(t.Context(), s, "from", faultContent), put(t.Context(), s, "a/x", nil)); err != nil {
				t.Fatal(err)
			}
			v.ops, v.at = nil, 1 // stat, link
			if err := s.Link(t.Context(), "from", "a/b"); err != nil {
				t.Fatal(err)
			}
			if v.ops[1] != "link from → a/b" {
				t.Fatalf("the wrong operation failed: %q", v.ops)
			}
			if last := v.ops[len(v.ops)-1]; last != "persist a/b" {
				t.Errorf("the last operation is %q", last)
			}
			mustHold(t, s, "a/b", faultContent)
			p.noTemps(t)
		})
	}
}

// Bytes may also be damaged on their way: what is read back at the next Put decides.
func TestDamagedFileIsNotTakenForTheContent(t *testing.T) {
	onDisk(t, testDamagedFileIsNotTakenForTheContent)
}

func testDamagedFileIsNotTakenForTheContent(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a", faultContent)
	damaged := bytes.Clone(faultContent)
	damaged[1000] ^= 1
	p.overwrite(t, "a", damaged)
	if err := put(t.Context(), s, "a", faultContent); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	s := &Store{dir: "/srv/files"}
	for _, c := range []struct {
		errno syscall.Errno
		want  error
		says  string
	}{
		{syscall.ENOSPC, ErrNoSpace, "/srv/files is full; make room"},
		{syscall.EDQUOT, ErrNoSpace, "quota"},
		{syscall.EFBIG, ErrNoSpace, "larger than"},
		{syscall.EROFS, ErrReadOnly, "mounted read-only"},
		{syscall.EACCES, ErrReadOnly, "may not write in /srv/files"},
		{syscall.EPERM, ErrReadOnly, "may not write in /srv/files"},
		{syscall.EIO, ErrUnavailable, "look at the kernel log"},
		{syscall.ETIMEDOUT, ErrUnavailable, "the time that the mount gives it"},
		{syscall.EHOSTDOWN, ErrUnavailable, "does not answer"},
		{syscall.ESTALE, ErrUnavailable, "mount /srv/files anew"},
		{syscall.ENOENT, ErrUnavailable, "taken away"},
		{syscall.ENOTDIR, fs.ErrExist, "is a file"},
		{syscall.ENAMETOOLONG, ErrName, "too long"},
		{syscall.EMFILE, ErrUnavailable, "refused"},
	} {
		err := s.fail("put", "a/b", writing, &fs.PathError{Op: "openat", Path: "x", Err: c.errno})
		if !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "nfsstore: put a/b: ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.errno, err)
		}
		matches := 0
		for _, sentinel := range []error{ErrNoSpace, ErrReadOnly, ErrUnavailable, ErrCorrupt, ErrName, fs.ErrExist, fs.ErrNotExist} {
			if errors.Is(err, sentinel) {
				matches++
			}
		}
		if matches != 1 {
			t.Errorf("%v: it matches %d sentinels: %v", c.errno, matches, err)
		}
	}
}

func TestErrorsOfOpen(t *testing.T) { onDisk(t, testErrorsOfOpen) }

func testErrorsOfOpen(t *testing.T, p place) {
	for errno, want := range map[syscall.Errno]error{
		syscall.ENOENT: fs.ErrNotExist, syscall.ENOTDIR: fs.ErrNotExist, syscall.EACCES: ErrUnavailable, syscall.EIO: ErrUnavailable,
		syscall.ENAMETOOLONG: ErrName, syscall.ESTALE: nil, // tried again
	} {
		s, v := faulty(t, p.sub(t), -1, &fs.PathError{Op: "openat", Path: "a", Err: errno}, false)
		mustPut(t, s, "a", []byte("x"))
		v.ops, v.at = nil, 0
		_, err := read(t.Context(), s, "a")
		if want == nil && err != nil || !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", errno, err, want)
		}
	}
}

// A temporary file that another process sweeps under a running Put.
func TestTempIsSweptMeanwhile(t *testing.T) { onDisk(t, testTempIsSweptMeanwhile) }

func testTempIsSweptMeanwhile(t *testing.T, p place) {
	s := p.open(t, nil)
	other := p.open(t, nil)
	swept := false
	r := readFunc(func(b []byte) (int, error) {
		if !swept {
			swept = true
			if n, err := other.Sweep(t.Context(), 0); err != nil || n != 1 && !(p.export() && n == 2) { // with that of the fence
				t.Errorf("Sweep = %d, %v", n, err)
			}
		}
		b[0] = 'x'
		return 1, nil
	})
	err := s.Put(t.Context(), "a", io.LimitReader(r, 10), 10, nil)
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if files, temps := p.tree(t); len(files)+len(temps) > 0 {
		t.Errorf("left: %q %q", files, temps)
	}
}
