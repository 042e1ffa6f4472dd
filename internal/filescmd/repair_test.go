package filescmd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
	"github.com/sugarlabs/beamrider/remora"
)

// A rotten volume gives another first byte than was written, of all files below a folder.
type rotten struct {
	vol.Vol
	below string
}

func (r *rotten) Open(ctx context.Context, name string) (vol.File, error) {
	f, err := r.Vol.Open(ctx, name)
	if err == nil && strings.HasPrefix(name, r.below) {
		f = &rottenFile{File: f}
	}
	return f, err
}

type rottenFile struct {
	vol.File
	read bool
}

func (f *rottenFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	if n > 0 && !f.read {
		b[0] ^= 1
		f.read = true
	}
	return n, err
}

func (f *rottenFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.File.(io.ReaderAt).ReadAt(b, at)
	if n > 0 && at == 0 {
		b[0] ^= 1
	}
	return n, err
}

// TestARepairIsReadAgain, and one that did not help is no repair.
func TestARepairIsReadAgain(t *testing.T) {
	store := func(v vol.Vol) *nfsstore.Store {
		s, err := nfsstore.New(v, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	good, main := store(memvol.New(nil)), store(&rotten{memvol.New(nil), "uploads/bad"})
	var all []wanted
	var bad []finding
	for _, name := range []string{"uploads/bad", "uploads/good"} {
		text := []byte("the content of " + name)
		w := wanted{name: name, size: int64(len(text)), sum: sha256.Sum256(text)}
		if err := good.Put(t.Context(), name, bytes.NewReader(text), w.size, w.sum[:]); err != nil {
			t.Fatal(err)
		}
		all, bad = append(all, w), append(bad, finding{Kind: missing, Name: name})
	}
	k := &checker{command: &checkCmd{Repair: true}, env: &Env{Stderr: io.Discard}, from: []source{{name: "there", files: good}}}
	if err := k.repair(t.Context(), place{at: "here", store: main}, all, bad); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(bad, func(f finding) bool { return f.Name == "uploads/bad" })
	if f := bad[i]; f.Repaired != "" || f.Kind != damaged || !strings.Contains(f.Detail, "look at the disk") {
		t.Errorf("a file that is bad again counts as %+v", f)
	}
	if f := bad[1-i]; f.Repaired != "there" || f.Kind != missing {
		t.Errorf("a file that is good counts as %+v", f)
	}
}

// A name that could not be made again is not repaired.
func TestARepairWithoutItsNameIsNone(t *testing.T) {
	b := []byte("a bundle")
	sum := sha256.Sum256(b)
	kept, public := remora.UploadName(sum), "public/files/1/a-1.xo"
	v := faultvol.New(memvol.New(nil), func(faultvol.Op) faultvol.Fault { return faultvol.Fault{} })
	s, err := nfsstore.New(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Put(t.Context(), kept, bytes.NewReader(b), int64(len(b)), sum[:]); err != nil {
		t.Fatal(err)
	}
	v.Plan(func(op faultvol.Op) faultvol.Fault {
		if op.Verb == "link" {
			return faultvol.Fault{Err: syscall.EIO}
		}
		return faultvol.Fault{}
	})
	from, err := replace(t.Context(), place{whole: true, store: s}, &wanted{name: public, public: public, size: int64(len(b)), sum: sum}, nil, nil)
	if err == nil || from != "" {
		t.Errorf("repaired from %q, %v", from, err)
	}
}
