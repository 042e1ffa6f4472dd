//go:build linux

package nfsjudge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// mostMemory is what a server may have had at most, whatever was done to it.
const mostMemory = raceCost * 512 << 20

// A worker is a good client that puts, reads and removes files without end.
type worker struct {
	done  atomic.Int64
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// work starts a good client. All that it does must succeed.
func work(t *testing.T, store *nfsstore.Store) *worker {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &worker{stop: stop}
	w.ended.Go(func() {
		b := content(1, 20_000)
		for i := 0; ; i++ {
			name := fmt.Sprintf("good/f%d", i)
			for _, do := range []func() error{
				func() error { return put(ctx, store, name, b) },
				func() error { return holds(ctx, store, name, b) },
				func() error { return store.Remove(ctx, name) },
				func() error {
					if _, err := store.Open(ctx, name); !errors.Is(err, fs.ErrNotExist) {
						return fmt.Errorf("%s was removed: %w", name, err)
					}
					return nil
				},
			} {
				err := do()
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("the good client: %v", err)
					return
				}
				w.done.Add(1)
			}
		}
	})
	t.Cleanup(w.end)
	return w
}

func (w *worker) end() {
	w.stop()
	w.ended.Wait()
}

// goesOn wants some more operations to be done.
func (w *worker) goesOn(t *testing.T) {
	t.Helper()
	want := w.done.Load() + 40
	until(t, "the good client goes on", func() bool { return w.done.Load() >= want })
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("in vain for %v: %s", patience, what)
		}
	}
}

// crowd opens n connections from several addresses of a network, each with at most as many as a server
// lets one client have.
func crowd(t *testing.T, address, network string, n int) (wires []*wire) {
	t.Helper()
	for i := range n {
		wires = append(wires, connect(t, address, fmt.Sprintf("%s.%d", network, 1+i/nfsd.DefaultConnectionsPerClient)))
	}
	return wires
}

func smallMemory(t *testing.T, p *child.Process, most int64) {
	t.Helper()
	peak := peakMemory(t, p)
	t.Logf("the server had %d MiB at most", peak>>20)
	if peak > most {
		t.Errorf("the server had %d MiB, want at most %d", peak>>20, most>>20)
	}
}

// TestCrowd: 1,000 idle and 1,000 slow connections, whether the server keeps them all or not, hinder
// neither a client that is there already nor one that comes.
func TestCrowd(t *testing.T) {
	for name, limits := range map[string]nfsd.Limits{"room for all": {Connections: 4096}, "too many": {}} {
		t.Run(name, func(t *testing.T) {
			s, p := ours(t, limits)
			good := work(t, openStore(t, s.url(s.nfs)))
			good.goesOn(t)
			crowd(t, s.nfs, "127.0.2", 1000)
			good.goesOn(t)
			slow := crowd(t, s.nfs, "127.0.3", 1000)
			// Most have sent little of a large record, many nearly all of it: more together than a server may keep.
			var begun sync.WaitGroup
			for i, w := range slow {
				size := 20 << 10
				if i%3 == 0 {
					size = 1000 << 10
				}
				begin := append(enc(nil).u32(lastFragment|1<<20), nfsCall(procWrite, make(enc, size)).message()...)
				begun.Go(func() { w.Write(begin) }) // whether it takes that is the server's choice
			}
			good.goesOn(t)
			begun.Wait()
			drip, stop := context.WithCancel(t.Context())
			var dripping sync.WaitGroup
			dripping.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
					case <-drip.Done():
						return
					}
					for _, w := range slow {
						w.Write([]byte{0})
					}
				}
			})
			good.goesOn(t)
			// Who comes now.
			w, root := connect(t, s.nfs, ""), s.root(t)
			for i := range 20 {
				w.create(t, root, fmt.Sprint("new", i))
			}
			late := openStore(t, s.url(s.nfs))
			if err := put(t.Context(), late, "late/f", content(2, 100_000)); err != nil {
				t.Error(err)
			}
			good.goesOn(t)
			stop()
			dripping.Wait()
			good.end()
			smallMemory(t, p, mostMemory/2)
		})
	}
}

// TestFlood: one address that opens connections without end keeps only its share of them, and hinders
// nobody else.
func TestFlood(t *testing.T) {
	s, p := ours(t, nfsd.Limits{ConnectionsPerClient: 16})
	good := work(t, openStore(t, s.url(s.nfs)))
	good.goesOn(t)
	const flood = 3000
	var mu sync.Mutex
	var ended int
	var readers sync.WaitGroup
	for range flood {
		w := connect(t, s.nfs, "127.0.4.1")
		if err := w.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			w.Read(make([]byte, 1)) // ends with the connection
			mu.Lock()
			defer mu.Unlock()
			ended++
		})
		t.Cleanup(func() { w.Close() })
	}
	good.goesOn(t)
	until(t, "the server closes what is too much", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return ended >= flood-16
	})
	mu.Lock()
	if ended > flood-16 {
		t.Errorf("of %d connections %d were closed", flood, ended)
	}
	mu.Unlock()
	good.end()
	smallMemory(t, p, mostMemory)
}

// TestGreedy: a client that asks for much and takes none of it makes the server keep only so much.
func TestGreedy(t *testing.T) {
	s, p := ours(t, nfsd.Limits{})
	good := work(t, openStore(t, s.url(s.nfs)))
	root := s.root(t)
	w := connect(t, s.nfs, "")
	f := w.create(t, root, "large")
	for i := range uint64(8) {
		w.must(t, procWrite, enc(nil).opaque(f).u64(i<<20).u32(1<<20, 0).opaque(content(i, 1<<20)))
	}
	ask := record(nfsCall(procRead, enc(nil).opaque(f).u64(0).u32(1<<20)).message())
	var asking sync.WaitGroup
	for i := range 60 {
		g := connect(t, s.nfs, fmt.Sprintf("127.0.5.%d", 1+i%60))
		if err := g.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		asking.Go(func() {
			for range 200_000 {
				// The server takes no more calls when it has enough, and then this one waits for its deadline.
				if err := g.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
					return
				}
				if _, err := g.Write(ask); err != nil {
					return
				}
			}
		})
	}
	asking.Wait()
	good.goesOn(t)
	good.end()
	smallMemory(t, p, mostMemory)
}
