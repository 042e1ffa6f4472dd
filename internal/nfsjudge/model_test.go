//go:build linux

package nfsjudge

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// A step is a call on paths below a folder of a test.
type step struct {
	op       string
	path, to string
	at, n    int // a position, a size or a kind
}

func (s step) String() string { return fmt.Sprintf("%s %s %s %d %d", s.op, s.path, s.to, s.at, s.n) }

// A twin is one of the servers that do the same.
type twin struct {
	server
	w    *wire
	base []byte // the handle of the folder
}

// find returns the handle of a path, or the status of the look-up that failed.
func (tw *twin) find(path string) (h []byte, status uint32, err error) {
	h = tw.base
	if path == "" {
		return h, nfsOK, nil
	}
	for name := range strings.SplitSeq(path, "/") {
		status, rest, err := tw.w.nfs(procLookup, enc(nil).opaque(h).str(name))
		if err != nil || status != nfsOK {
			return nil, status, err
		}
		h = rest.opaque()
	}
	return h, nfsOK, nil
}

// in returns what names a path in its folder.
func (tw *twin) in(path string) (where enc, status uint32, err error) {
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i], path[i+1:]
	}
	h, status, err := tw.find(dir)
	return enc(nil).opaque(h).str(base), status, err
}

// do makes the calls of a step and returns the first status that is not good, and what was read.
func (tw *twin) do(s step) (status uint32, got string, err error) {
	var args enc
	var proc uint32
	switch s.op {
	case "create", "mkdir", "remove", "rmdir", "rename", "link":
		where, status, err := tw.in(s.path)
		if err != nil || status != nfsOK {
			return status, "", err
		}
		args = where
	case "write", "read", "size", "mode", "stat":
		h, status, err := tw.find(s.path)
		if err != nil || status != nfsOK {
			return status, "", err
		}
		args = args.opaque(h)
	}
	switch s.op {
	case "create":
		proc = procCreate
		if args = args.u32(uint32(s.n % 3)); s.n%3 == 2 {
			args = args.u64(uint64(s.at))
		} else {
			args = args.u32(1, 0o644, 0, 0, uint32(s.at%2))
			if s.at%2 == 1 {
				args = args.u64(0) // other sizes are taken by some servers only
			}
			args = args.u32(0, 0)
		}
	case "mkdir":
		proc, args = procMkdir, args.u32(1, 0o755, 0, 0, 0, 0, 0)
	case "remove":
		proc = procRemove
	case "rmdir":
		proc = procRmdir
	case "rename", "link":
		to, status, err := tw.in(s.to)
		if err != nil || status != nfsOK {
			return status, "", err
		}
		if proc = procRename; s.op == "rename" {
			args = append(args, to...)
			break
		}
		h, status, err := tw.find(s.path)
		if err != nil || status != nfsOK {
			return status, "", err
		}
		proc, args = procLink, append(enc(nil).opaque(h), to...)
	case "write":
		proc, args = procWrite, args.u64(uint64(s.at)).u32(uint32(s.n), uint32(s.n%3)).opaque(content(uint64(s.at), s.n))
	case "read":
		proc, args = procRead, args.u64(uint64(s.at)).u32(uint32(s.n)+1)
	case "size":
		proc, args = procSetattr, args.u32(0, 0, 0, 1).u64(uint64(s.at)).u32(0, 0, 0)
	case "mode":
		proc, args = procSetattr, args.u32(1, uint32(s.n)&0o777, 0, 0, 0, 0, 0, 0)
	case "stat":
		proc = procGetattr
	}
	status, rest, err := tw.w.nfs(proc, args)
	if err != nil || status != nfsOK {
		return status, "", err
	}
	switch s.op {
	case "read":
		rest.attr()
		rest.u32()
		got = fmt.Sprintf("%d %x", rest.u32(), rest.opaque())
	case "stat":
		kind, mode, links := rest.u32(), rest.u32(), rest.u32()
		got = fmt.Sprintf("type %d, mode %o", kind, mode&0o7777)
		if kind == 1 {
			rest = rest[8:]
			got += fmt.Sprintf(", %d links, %d bytes", links, rest.u64())
		}
	}
	return nfsOK, got, nil
}

// alike puts statuses together that RFC 1813 lets servers choose from.
func alike(s step, status uint32) uint32 {
	const perm, exist, notDir, isDir, inval, notEmpty = 1, 17, 20, 21, 22, 66
	switch {
	case status == notEmpty:
		return exist
	case status == nfsStale: // what it was has gone
		return nfsNoEnt
	case (s.op == "remove" || s.op == "link" || s.op == "rename" || s.op == "create" || s.op == "read" || s.op == "write" || s.op == "size") &&
		slices.Contains([]uint32{perm, notDir, isDir, inval, exist, nfsAccess, 10007}, status):
		return exist
	}
	return status
}

// content of a folder on the disk of a server.
func (tw *twin) content(dir string) (lines []string, err error) {
	root := filepath.Join(tw.dir, dir)
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %v", strings.TrimPrefix(p, root), info.Mode())
		if !d.IsDir() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d links %x", info.Sys().(*syscall.Stat_t).Nlink, b)
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

// TestTwins: ours and NFS-Ganesha answer the same calls the same, and then have the same files.
func TestTwins(t *testing.T) {
	mine, _ := ours(t, nfsd.Limits{})
	var twins []*twin
	var roots [][]byte
	for _, s := range []server{mine, ganesha(t)} {
		twins = append(twins, &twin{server: s, w: connect(t, s.nfs, "")})
		roots = append(roots, s.root(t))
	}
	names := rapid.SampledFrom([]string{"a", "b", "c", "a/a", "a/b", "b/a", "b/c", "a/b/c"})
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			op: rapid.SampledFrom([]string{
				"create", "create", "mkdir", "mkdir", "remove", "rmdir", "rename", "rename", "link", "write", "write", "read", "size", "mode", "stat",
			}).Draw(t, "op"),
			path: names.Draw(t, "path"), to: names.Draw(t, "to"),
			at: rapid.IntRange(0, 300).Draw(t, "at"), n: rapid.IntRange(0, 300).Draw(t, "n"),
		}
	}), 5, 60)
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := fmt.Sprint("run", run)
		for i, tw := range twins {
			if err := tw.w.SetDeadline(deadline()); err != nil {
				t.Fatal(err)
			}
			if status, _, err := tw.w.nfs(procMkdir, enc(nil).opaque(roots[i]).str(dir).sattr()); err != nil || status != nfsOK {
				t.Fatalf("mkdir: status %d, %v", status, err)
			}
			_, rest, err := tw.w.nfs(procLookup, enc(nil).opaque(roots[i]).str(dir))
			if err != nil {
				t.Fatal(err)
			}
			tw.base = rest.opaque()
		}
		for _, s := range steps.Draw(t, "steps") {
			want, wantGot, err := twins[1].do(s)
			if err != nil {
				t.Fatalf("Ganesha: %v: %v", s, err)
			}
			got, gotGot, err := twins[0].do(s)
			if err != nil {
				t.Fatalf("%v: %v", s, err)
			}
			if alike(s, got) != alike(s, want) || gotGot != wantGot {
				t.Errorf("%v: status %d %s, and of Ganesha %d %s", s, got, gotGot, want, wantGot)
			}
		}
		var there [2][]string
		for i, tw := range twins {
			var err error
			if there[i], err = tw.content(dir); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(there[1], there[0]); diff != "" {
			t.Errorf("the files (-Ganesha +ours):\n%s", diff)
		}
	})
}
