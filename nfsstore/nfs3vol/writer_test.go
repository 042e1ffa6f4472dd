package nfs3vol

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/internal/tempname"
)

// A temporary file gets its name by what it is. A name that somebody else may have given to another file
// since is looked up.
func TestLinkOfTemporaryFile(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	x, other := open(t, server), open(t, server)
	ctx := t.Context()
	for _, tt := range []struct {
		from string
		want string
	}{
		{tempname.New(".", time.Now()), "ours"},
		{"shared", "theirs"},
	} {
		write(t, x, tt.from, []byte("ours"))
		if err := other.Rename(ctx, tt.from, "moved from "+tt.want); err != nil {
			t.Fatal(err)
		}
		write(t, other, tt.from, []byte("theirs"))
		if err := x.Link(ctx, tt.from, tt.want); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(server.Dir(), tt.want)); err != nil || string(got) != tt.want {
			t.Errorf("%s holds %q: %v", tt.want, got, err)
		}
		if err := x.Remove(ctx, tt.from); err != nil {
			t.Fatal(err)
		}
		if x.temps.get(tt.from) != nil {
			t.Errorf("%s is known after its removal", tt.from)
		}
	}
}

func TestTempsAreBounded(t *testing.T) {
	var m temps
	for i := range 3*maxTemps + 1 {
		name := fmt.Sprint(i)
		f := new(nfs3.File)
		m.put(name, f)
		if m.get(name) != f {
			t.Fatalf("%s is not known", name)
		}
	}
	if len(m.m) > maxTemps {
		t.Errorf("%d are known", len(m.m))
	}
}

// Content of any length is whole, in pieces of any size.
func TestWriteOnExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	x := open(t, server)
	ctx := t.Context()
	for _, size := range []int{0, 1, window - 1, window, window + 1, 2*window + 100} {
		for _, piece := range []int{1000_003, 300_007} {
			b := content(uint64(size), size)
			name := tempname.New(".", time.Now())
			w, err := x.Create(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < size; at += piece {
				if err := w.Write(ctx, b[at:min(at+piece, size)]); err != nil {
					t.Fatal(err)
				}
			}
			for _, end := range []func(context.Context) error{w.Sync, w.Sync, w.Close} {
				if err := end(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(filepath.Join(server.Dir(), name)); err != nil || !bytes.Equal(got, b) {
				t.Errorf("of %d bytes in pieces of %d there are %d: %v", size, piece, len(got), err)
			}
		}
	}
}
