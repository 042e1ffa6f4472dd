//go:build linux

package nfsjudge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore"
)

func openStore(t *testing.T, url string) *nfsstore.Store {
	t.Helper()
	s, err := nfsstore.Open(t.Context(), url, &nfsstore.Options{Logger: slog.New(slog.DiscardHandler)})
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

func put(ctx context.Context, s *nfsstore.Store, name string, b []byte) error {
	sum := sha256.Sum256(b)
	return s.Put(ctx, name, bytes.NewReader(b), int64(len(b)), sum[:])
}

func holds(ctx context.Context, s *nfsstore.Store, name string, want []byte) error {
	f, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s holds %d other bytes", name, len(got))
	}
	return errors.Join(err, f.Close())
}

// TestLostMessages: at whichever moment of an operation the connection breaks, the operation succeeds, and
// is done once.
func TestLostMessages(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		ctx := t.Context()
		p := before(t, s.nfs)
		store, straight := openStore(t, s.url(p.address())), openStore(t, s.url(s.nfs))
		b := content(1, 70_000)
		at := func(name string) string { return fmt.Sprintf("%s/f", name) }
		for _, op := range []struct {
			what    string
			prepare func(name string) error
			do      func(name string) error
			check   func(name string) error
		}{
			{
				"Put",
				func(string) error { return nil },
				func(name string) error { return put(ctx, store, at(name), b) },
				func(name string) error { return holds(ctx, straight, at(name), b) },
			},
			{
				"Link",
				func(name string) error { return put(ctx, straight, at(name), b) },
				func(name string) error { return store.Link(ctx, at(name), name+"/linked/g") },
				func(name string) error {
					return errors.Join(holds(ctx, straight, at(name), b), holds(ctx, straight, name+"/linked/g", b))
				},
			},
			{
				"Remove",
				func(name string) error { return put(ctx, straight, at(name), b) },
				func(name string) error { return store.Remove(ctx, at(name)) },
				func(name string) error {
					if err := holds(ctx, straight, at(name), b); !errors.Is(err, fs.ErrNotExist) {
						return fmt.Errorf("it is still there: %w", err)
					}
					return nil
				},
			},
			{
				"reading",
				func(name string) error { return put(ctx, straight, at(name), b) },
				func(name string) error { return holds(ctx, store, at(name), b) },
				func(string) error { return nil },
			},
		} {
			// once does it and returns whether something was lost.
			once := func(name string, lose func(m message) bool) bool {
				t.Helper()
				if err := op.prepare(name); err != nil {
					t.Fatalf("preparing %s: %v", name, err)
				}
				p.set(lose)
				if err := op.do(name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				calls, lost := p.seen()
				p.set(nil)
				if lost == 0 {
					t.Logf("%s: procedures %d", name, calls)
				}
				if err := op.check(name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				return lost > 0
			}
			// What the store does the first time only, such as making folders, is lost on the way too.
			once(op.what+"-whole", nil)
			for _, when := range []moment{beforeCall, afterCall, beforeReply, lateCall} {
				for i := 0; once(fmt.Sprintf("%s-broken-%s-%d", op.what, when, i), func(m message) bool {
					return m.n == i && m.when == when
				}); i++ {
				}
			}
		}
		noTemps(t, s, false)
	})
}

// noTemps wants no temporary files in the export. Those of fences live as long as their stores, in the
// export itself. Empty ones are let pass if so wished: a server may carry a creation out that it has from
// a broken connection when all is over, and then nobody knows but Sweep.
func noTemps(t *testing.T, s server, empty bool) {
	t.Helper()
	for _, line := range tree(t, s.dir) {
		name, _, _ := strings.Cut(line, " -")
		if base := filepath.Base(name); !strings.HasPrefix(base, ".") || filepath.Dir(name) == "/" {
			continue
		}
		info, err := os.Lstat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !empty || info.Size() > 0 {
			t.Errorf("left: %s with %d bytes", line, info.Size())
		}
	}
}

// TestLossyNetwork: with many lost messages in between, several writers get everything done, once.
func TestLossyNetwork(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		ctx := t.Context()
		p := before(t, s.nfs)
		store := openStore(t, s.url(p.address()))
		p.set(func(m message) bool {
			return m.n%31 == 17 && m.when == beforeReply || m.n%43 == 29 && m.when == beforeCall || m.n%37 == 11 && m.when == afterCall
		})
		const writers, each = 4, 40
		var wg sync.WaitGroup
		var failed atomic.Int32
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					name := fmt.Sprintf("d%d/f%d-%d", i%3, w, i)
					b := content(uint64(w*each+i), 5000+i)
					err := put(ctx, store, name, b)
					if err == nil && i%2 == 0 {
						err = errors.Join(store.Link(ctx, name, "linked/"+name), store.Remove(ctx, name))
					}
					if err != nil {
						failed.Add(1)
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		wg.Wait()
		_, lost := p.seen()
		p.set(nil)
		if lost < writers*each/10 {
			t.Errorf("only %d messages were lost", lost)
		}
		for w := range writers {
			for i := range each {
				name := fmt.Sprintf("d%d/f%d-%d", i%3, w, i)
				gone := ""
				if i%2 == 0 {
					name, gone = "linked/"+name, name
				}
				if err := holds(ctx, store, name, content(uint64(w*each+i), 5000+i)); err != nil {
					t.Error(err)
				}
				if gone != "" {
					if _, err := store.Open(ctx, gone); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s was removed: %v", gone, err)
					}
				}
			}
		}
		noTemps(t, s, true)
	})
}
