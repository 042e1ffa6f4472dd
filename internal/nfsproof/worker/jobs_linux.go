package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
)

// A job is done in a folder of its own on a mount.
type job struct {
	name string
	do   func(dir string, names int) error
}

var allJobs = []job{
	{"create", create}, {"exclusive create", exclusive}, {"rename", rename}, {"link", link}, {"large file", large},
	{"many names", many}, {"unlink while open", unlinked}, {"restart in the middle", restarted},
}

// jobs does what programs do to files, and says of each job how it went.
func jobs(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("jobs", flag.ExitOnError)
	dir := flags.String("dir", "", "the `folder` to work in")
	names := flags.Int("names", 10_000, "how many `names` a folder gets")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for i, j := range allJobs {
		at := filepath.Join(*dir, fmt.Sprint("job", i))
		began := time.Now()
		err := os.MkdirAll(at, 0o755)
		if j.name == "many names" {
			at = filepath.Join(*dir, nfsproof.ManyFolder)
		}
		if err == nil {
			err = j.do(at, *names)
		}
		r := nfsproof.JobResult{Job: j.name, Took: time.Since(began)}
		if err != nil {
			r.Error = err.Error()
		}
		if err := print(os.Stdout, r); err != nil {
			return err
		}
	}
	return nil
}

// expect compares what is under a name with what should be.
func expect(name string, want []byte) error {
	got, err := os.ReadFile(name)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s holds %d bytes %.40q, not %d bytes %.40q", name, len(got), got, len(want), want)
	}
	return err
}

func create(dir string, _ int) error {
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, []byte("one"), 0o640); err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.Size() != 3 || info.Mode() != 0o640 {
		return fmt.Errorf("it has %d bytes and the mode %v", info.Size(), info.Mode())
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(" two")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := expect(name, []byte("one two")); err != nil {
		return err
	}
	if err := errors.Join(os.Truncate(name, 2), expect(name, []byte("on"))); err != nil {
		return err
	}
	// A hole reads as zeros.
	if err := errors.Join(os.Truncate(name, 5000), expect(name, append([]byte("on"), make([]byte, 4998)...))); err != nil {
		return err
	}
	if err := os.Chmod(name, 0o400); err != nil {
		return err
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o400 {
		return fmt.Errorf("after chmod: %v %w", info, err)
	}
	_, err = os.Stat(filepath.Join(dir, "absent"))
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("an absent file: %w", err)
	}
	return nil
}

func exclusive(dir string, _ int) error {
	for i := range 20 {
		name := filepath.Join(dir, fmt.Sprint("f", i))
		var won atomic.Int32
		var all errgroup.Group
		for range 8 {
			all.Go(func() error {
				f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
				if errors.Is(err, fs.ErrExist) {
					return nil
				}
				if err != nil {
					return err
				}
				won.Add(1)
				return f.Close()
			})
		}
		if err := all.Wait(); err != nil {
			return err
		}
		if n := won.Load(); n != 1 {
			return fmt.Errorf("%d have created %s", n, name)
		}
		// The server may keep the mark of an exclusive creation where the times belong.
		if info, err := os.Stat(name); err != nil || info.ModTime().Year() < 2020 || info.ModTime().Year() > 2100 {
			return fmt.Errorf("%s is of %v: %w", name, info, err)
		}
	}
	return nil
}

func rename(dir string, _ int) error {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for name, text := range map[string]string{a: "new", b: "old"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Open(b)
	if err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, f.Close())
	}
	// Who has the old file open on the same machine reads on.
	got, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close(), expect(b, []byte("new"))); err != nil {
		return err
	}
	if string(got) != "old" {
		return fmt.Errorf("the open file reads %q", got)
	}
	if _, err := os.Stat(a); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the old name: %w", err)
	}
	sub := filepath.Join(dir, "sub")
	if err := errors.Join(os.Mkdir(sub, 0o755), os.Rename(b, filepath.Join(sub, "c")), os.Rename(sub, filepath.Join(dir, "moved"))); err != nil {
		return err
	}
	if err := expect(filepath.Join(dir, "moved", "c"), []byte("new")); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "absent"), b); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("an absent file: %w", err)
	}
	return nil
}

func link(dir string, _ int) error {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := errors.Join(os.WriteFile(a, []byte("content"), 0o644), os.Link(a, b)); err != nil {
		return err
	}
	ia, erra := os.Stat(a)
	ib, errb := os.Stat(b)
	if err := errors.Join(erra, errb); err != nil {
		return err
	}
	if n := ib.Sys().(*syscall.Stat_t).Nlink; !os.SameFile(ia, ib) || n != 2 {
		return fmt.Errorf("they are not one file with two names, but with %d", n)
	}
	if err := os.Link(a, b); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("a link over a name: %w", err)
	}
	if err := os.Link(filepath.Join(dir, "absent"), filepath.Join(dir, "c")); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("a link to an absent file: %w", err)
	}
	if err := errors.Join(os.Remove(a), expect(b, []byte("content"))); err != nil {
		return err
	}
	info, err := os.Stat(b)
	if err != nil {
		return err
	}
	if n := info.Sys().(*syscall.Stat_t).Nlink; n != 1 {
		return fmt.Errorf("one name is left, and there are %d links", n)
	}
	return nil
}

// forget makes the kernel ask the server again.
func forget() error { return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) }

func large(dir string, _ int) error {
	const size = 64 << 20
	name := filepath.Join(dir, "file")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	source, sum := rand.NewChaCha8([32]byte{1}), sha256.New()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, sum)}, io.LimitReader(source, size), make([]byte, 1<<20))
	if err = errors.Join(err, f.Sync(), f.Close(), forget()); err != nil {
		return err
	}
	want := sum.Sum(nil)
	sum.Reset()
	if f, err = os.Open(name); err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{sum}, f, make([]byte, 1<<20))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if n != size || !bytes.Equal(sum.Sum(nil), want) {
		return fmt.Errorf("%d bytes of another SHA-256 came back", n)
	}
	return os.Remove(name)
}

// many works in the folder that the server has filled with most of the names: see Fill.
func many(dir string, names int) error {
	at := func(n int) string { return filepath.Join(dir, nfsproof.ManyName(n)) }
	own := names / 20
	var all errgroup.Group
	for w := range 4 {
		all.Go(func() error {
			for n := names - own + w; n < names; n += 4 {
				if err := os.WriteFile(at(n), nil, 0o644); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	list := func(each func(string) error) (map[string]int, error) {
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		seen := make(map[string]int)
		for {
			some, err := f.Readdirnames(500)
			for _, name := range some {
				seen[name]++
				if err := each(name); err != nil {
					return nil, errors.Join(err, f.Close())
				}
			}
			if err == io.EOF {
				return seen, f.Close()
			}
			if err != nil {
				return nil, errors.Join(err, f.Close())
			}
		}
	}
	if err := forget(); err != nil {
		return err
	}
	seen, err := list(func(string) error { return nil })
	if err != nil {
		return err
	}
	for n := range names {
		if seen[filepath.Base(at(n))] != 1 {
			return fmt.Errorf("%s is listed %d times", at(n), seen[filepath.Base(at(n))])
		}
	}
	// Some go away while they are listed; all others must be seen.
	if err := forget(); err != nil {
		return err
	}
	removed := make(map[int]bool)
	turn := 0
	seen, err = list(func(string) error {
		if turn++; turn%20 != 0 {
			return nil
		}
		n := (turn * 7919) % names
		if removed[n] {
			return nil
		}
		removed[n] = true
		return os.Remove(at(n))
	})
	if err != nil {
		return err
	}
	for n := range names {
		if !removed[n] && seen[filepath.Base(at(n))] != 1 {
			return fmt.Errorf("while others were removed %s was listed %d times", at(n), seen[filepath.Base(at(n))])
		}
	}
	return nil
}

func unlinked(dir string, _ int) error {
	name := filepath.Join(dir, "file")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString("still ")
	if err = errors.Join(err, f.Sync(), os.Remove(name)); err != nil {
		return errors.Join(err, f.Close())
	}
	_, werr := f.WriteString("here")
	got := make([]byte, 20)
	err = errors.Join(werr, f.Sync(), forget())
	n, rerr := f.ReadAt(got, 0)
	if rerr != io.EOF {
		err = errors.Join(err, rerr)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if string(got[:n]) != "still here" {
		return fmt.Errorf("it reads %q", got[:n])
	}
	left, err := os.ReadDir(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%v is left", left)
	}
	return err
}

// done forgives an error of a call that the kernel has made twice, as its reply was lost with the server,
// which does not remember that it carried it out: the name is there.
func done(err, twice error, name string) error {
	if errors.Is(err, twice) {
		if _, serr := os.Stat(name); serr == nil {
			return nil
		}
	}
	return err
}

// restarted writes, reads and makes names while the server is restarted, which is asked for in its
// middle. Nothing may fail: the mount is a hard one.
func restarted(dir string, _ int) error {
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	held, err := os.Create(filepath.Join(dir, "held"))
	if err != nil {
		return err
	}
	if _, err := held.WriteString("before"); err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil { // a folder that is in use, by its handle
		return err
	}
	var want []byte
	const chunks = 60
	for i := range chunks {
		if i == chunks/4 {
			if err := print(os.Stdout, nfsproof.JobResult{Job: nfsproof.MiddleOfRestart}); err != nil {
				return err
			}
		}
		chunk := bytes.Repeat([]byte{byte(i)}, 40_000)
		want = append(want, chunk...)
		if _, err := f.Write(chunk); err != nil {
			return err
		}
		if i%5 == 0 {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		name := fmt.Sprint("n", i)
		if err := errors.Join(os.WriteFile(name, chunk[:10], 0o644), done(os.Rename(name, name+"r"), fs.ErrNotExist, name+"r"),
			done(os.Link(name+"r", name+"l"), fs.ErrExist, name+"l")); err != nil {
			return err
		}
	}
	_, err = held.WriteString(" and after")
	if err = errors.Join(err, f.Sync(), f.Close(), held.Sync(), held.Close(), forget()); err != nil {
		return err
	}
	if err := errors.Join(expect("file", want), expect("held", []byte("before and after"))); err != nil {
		return err
	}
	left, err := os.ReadDir(".")
	if err == nil && len(left) != 2+2*chunks {
		err = fmt.Errorf("there are %d names, not %d", len(left), 2+2*chunks)
	}
	return err
}
