package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A place is a directory of the test and the url by which a store reaches it, or a memory.
type place struct {
	url string
	dir string // of this machine
	mem *memvol.Vol
}

func (p place) open(t testing.TB, o *Options) *Store {
	t.Helper()
	if p.mem == nil {
		return openStore(t, p.url, o)
	}
	s, err := New(p.mem.Again(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	// Open does that.
	if err := s.tryOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// sub returns a new place for one more store.
func (p place) sub(t testing.TB) place {
	t.Helper()
	if p.mem != nil {
		return place{mem: memvol.New(nil)}
	}
	dir, err := os.MkdirTemp(p.dir, "sub")
	if err != nil {
		t.Fatal(err)
	}
	at, options, _ := strings.Cut(p.url, "?")
	at += "/" + filepath.Base(dir)
	if options != "" {
		at += "?" + options
	}
	return place{url: at, dir: dir}
}

// export reports whether the place is reached by NFS.
func (p place) export() bool { return strings.HasPrefix(p.url, "nfs:") }

// overwrite gives a name that content, with the folders it needs, whatever is there.
func (p place) overwrite(t testing.TB, name string, b []byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if p.mem == nil {
		file := filepath.Join(p.dir, name)
		must(os.MkdirAll(filepath.Dir(file), 0o755))
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			must(err)
		}
		must(os.WriteFile(file, b, 0o600))
		return
	}
	for i, c := range name {
		if c == '/' {
			if err := p.mem.Mkdir(t.Context(), name[:i]); !errors.Is(err, fs.ErrExist) {
				must(err)
			}
		}
	}
	if err := p.mem.Remove(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		must(err)
	}
	w, err := p.mem.Create(t.Context(), name)
	must(err)
	must(w.Write(t.Context(), b))
	must(w.Close(t.Context()))
}

func (p place) exists(t testing.TB, name string) bool {
	t.Helper()
	var err error
	if p.mem == nil {
		_, err = os.Stat(filepath.Join(p.dir, name))
	} else {
		_, err = p.mem.Stat(t.Context(), name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// removeAll takes a folder away with all that is in it.
func (p place) removeAll(t testing.TB, name string) {
	t.Helper()
	if p.mem == nil {
		if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
		return
	}
	p.walk(t, name, func(below string) {
		if err := p.mem.Remove(t.Context(), below); err != nil {
			t.Fatal(err)
		}
	})
}

// walk calls f for what is below a folder of a memory, and then for the folder.
func (p place) walk(t testing.TB, name string, f func(string)) {
	t.Helper()
	info, err := p.mem.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		d, err := p.mem.OpenDir(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for {
			entries, err := d.ReadDir(100)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				p.walk(t, path.Join(name, e.Name()), f)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f(name)
}

// tree lists all files, temporary ones in second place; see the function tree.
func (p place) tree(t testing.TB) (files, temps []string) {
	t.Helper()
	if p.mem == nil {
		return tree(t, p.dir)
	}
	p.walk(t, ".", func(name string) {
		info, err := p.mem.Stat(t.Context(), name)
		switch {
		case err != nil:
			t.Fatal(err)
		case info.IsDir(), strings.HasPrefix(name, trashDir+"/"):
		case strings.HasPrefix(info.Name(), "."):
			temps = append(temps, name)
		default:
			files = append(files, name)
		}
	})
	slices.Sort(files)
	return files, temps
}

func (p place) noTemps(t testing.TB) {
	t.Helper()
	if _, temps := p.tree(t); len(temps) > 0 {
		t.Errorf("temporary files are left: %q", temps)
	}
}

// onDisk runs a test of the contract on a directory.
func onDisk(t *testing.T, test func(*testing.T, place)) {
	dir := t.TempDir()
	test(t, place{url: "file://" + dir, dir: dir})
}

// contract is what holds for every kind of store.
var contract = map[string]func(*testing.T, place){
	"Space":                              testSpace,
	"DamagedFileIsNotTakenForTheContent": testDamagedFileIsNotTakenForTheContent,
	"PutAndOpen":                         testPutAndOpen,
	"OpenedFile":                         testOpenedFile,
	"PutAgain":                           testPutAgain,
	"PutRefuses":                         testPutRefuses,
	"PutIsGivenUp":                       testPutIsGivenUp,
	"NamesAreChecked":                    testNamesAreChecked,
	"Link":                               testLink,
	"Remove":                             testRemove,
	"DirectoryVanishes":                  testDirectoryVanishes,
	"ConcurrentPutsOfOneName":            testConcurrentPutsOfOneName,
	"NameComesMeanwhile":                 testNameComesMeanwhile,
	"ReadersSeeNothingByHalf":            testReadersSeeNothingByHalf,
	"ReadOnlyStore":                      testReadOnlyStore,
	"Close":                              testClose,
	"Sweep":                              testSweep,
	"OrderOfOperations":                  testOrderOfOperations,
	"FaultAnywhere":                      testFaultAnywhere,
	"LostReplyOfLink":                    testLostReplyOfLink,
	"LinkCopiesInstead":                  testLinkCopiesInstead,
	"ErrorsOfOpen":                       testErrorsOfOpen,
	"TempIsSweptMeanwhile":               testTempIsSweptMeanwhile,
	"Stat":                               testStat,
	"List":                               testList,
	"ListWhileFilesGo":                   testListWhileFilesGo,
	"FS":                                 testFS,
	"Scrub":                              testScrub,
	"ScrubExpected":                      testScrubExpected,
	"Health":                             testHealth,
	"Repair":                             testRepair,
	"ConcurrentRepairs":                  testConcurrentRepairs,
	"Trash":                              testTrash,
	"TrashTakesNothing":                  testTrashTakesNothing,
	"TrashVanishes":                      testTrashVanishes,
	"SweepOfTheTrash":                    testSweepOfTheTrash,
	"SweepOfLeftovers":                   testSweepOfLeftovers,
	"SweepLeavesWhatWasJustRemoved":      testSweepLeavesWhatWasJustRemoved,
}

// TestContractOnExport runs the tests of the contract, which others run on a directory, on an export
// of NFS-Ganesha.
func TestContractOnExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	all := place{url: server.URL(), dir: server.Dir()}
	for name, test := range contract {
		t.Run(name, func(t *testing.T) { test(t, all.sub(t)) })
	}
}

// TestContractWithoutLinks runs those that do not count names on a file system where files have one.
func TestContractWithoutLinks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"PutAndOpen", "PutAgain", "PutRefuses", "PutIsGivenUp", "Remove", "DirectoryVanishes", "ConcurrentPutsOfOneName", "NameComesMeanwhile",
		"ReadersSeeNothingByHalf", "ReadOnlyStore", "Close", "Sweep", "TempIsSweptMeanwhile", "DamagedFileIsNotTakenForTheContent",
	} {
		t.Run(name, func(t *testing.T) { contract[name](t, place{mem: memvol.New(&memvol.Options{NoLinks: true})}) })
	}
	p := place{mem: memvol.New(&memvol.Options{NoLinks: true})}
	s := p.open(t, nil)
	mustPut(t, s, "uploads/a", []byte("x"))
	for range 2 {
		if err := s.Link(t.Context(), "uploads/a", "public/a"); err != nil {
			t.Error(err)
		}
	}
	mustHold(t, s, "public/a", []byte("x"))
	p.noTemps(t)
	// What can neither link nor move without replacing is refused.
	for _, c := range []struct {
		err  error
		says string
	}{{errors.ErrUnsupported, "no hard links"}, {nil, "lets a rename replace"}} {
		v := faultvol.New(memvol.New(&memvol.Options{NoLinks: true}), func(op faultvol.Op) faultvol.Fault {
			if op.Verb == "move" {
				return faultvol.Fault{Err: c.err}
			}
			return faultvol.Fault{}
		})
		var on vol.Vol = v
		if c.err == nil {
			on = replacer{v}
		}
		s, err := New(on, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), s, "a", nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A replacer is one whose Move replaces.
type replacer struct{ *faultvol.Vol }

func (r replacer) Move(ctx context.Context, from, to string) error { return r.Rename(ctx, from, to) }

// TestContractInMemory runs them on a volume in memory.
func TestContractInMemory(t *testing.T) {
	t.Parallel()
	for name, test := range contract {
		t.Run(name, func(t *testing.T) { test(t, place{mem: memvol.New(nil)}) })
	}
}

// On a file system without links, every operation of a Put fails in turn, before and after it took
// effect. Doing the same again ends whole.
func TestPutAgainWithoutLinks(t *testing.T) {
	b := faultContent
	for _, sum := range [][]byte{nil, sumOf(b)} {
		put := func(s *Store) error { return s.Put(t.Context(), "a/b", bytes.NewReader(b), int64(len(b)), sum) }
		for at, ops := 0, 1; at < ops; at++ {
			for _, f := range []faultvol.Fault{{Err: syscall.EIO}, {Err: syscall.EIO, Done: true}, {Crash: true}, {Crash: true, Done: true}} {
				p := place{mem: memvol.New(&memvol.Options{NoLinks: true})}
				s := p.open(t, nil)
				v := faultvol.New(s.vol, func(op faultvol.Op) faultvol.Fault {
					ops = max(ops, op.N+1)
					if op.N == at {
						return f
					}
					return faultvol.Fault{}
				})
				s.vol = v
				first := put(s)
				if got, err := read(t.Context(), p.open(t, nil), "a/b"); err == nil && !bytes.Equal(got, b) || first == nil && err != nil {
					t.Errorf("operation %d, %+v: after %v there are %d bytes, %v", at, f, first, len(got), err)
				}
				v.Plan(nil)
				if err := put(s); err != nil {
					t.Errorf("operation %d, %+v: again: %v", at, f, err)
				}
				p.mem.PowerLoss()
				mustHold(t, p.open(t, nil), "a/b", b)
				if _, err := s.Sweep(t.Context(), 0); err != nil {
					t.Error(err)
				}
				p.noTemps(t)
			}
		}
	}
}
