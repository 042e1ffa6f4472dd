package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// serveConsole lets balancebench change the pool, and look inside.
func serveConsole(all *sync.WaitGroup, socket string, x *subject) (io.Closer, error) {
	if socket == "" {
		return io.NopCloser(nil), nil
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /memory", memory)
	if x != nil {
		mux.HandleFunc("POST /reload", x.reload)
		mux.HandleFunc("POST /drain", x.drain)
		mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(x.balancer.Stats()) // who has gone needs none
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	all.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "subject: console:", err)
		}
	})
	return server, nil
}

var turn struct {
	sync.Mutex
	n int
}

// reload sets another pool: the weights change, and one backend in turn, or none, is gone until the
// next time.
func (x *subject) reload(w http.ResponseWriter, _ *http.Request) {
	turn.Lock()
	defer turn.Unlock()
	turn.n++
	var pool []balance.Backend
	for i, b := range x.settings.backends {
		if len(x.settings.backends) > 1 && i == turn.n%(len(x.settings.backends)+1)-1 {
			continue
		}
		b.Weight = 1 + (turn.n+i)%5
		pool = append(pool, b)
	}
	if err := x.balancer.Set(pool); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// drain drains a backend until nothing is in flight there, and gives it back.
func (x *subject) drain(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	name := r.FormValue("name")
	err := errors.Join(x.balancer.Drain(ctx, name), x.balancer.Undrain(name))
	if errors.Is(err, balance.ErrUnknownBackend) {
		return // a reload has taken it away
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// memory says what is in use after a collection, and what was ever allocated.
func memory(w http.ResponseWriter, _ *http.Request) {
	runtime.GC()
	runtime.GC() // what pools held is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	json.NewEncoder(w).Encode(map[string]uint64{ // who has gone needs none
		"heap": m.HeapAlloc, "objects": m.HeapObjects, "goroutines": uint64(runtime.NumGoroutine()),
		"mallocs": m.Mallocs, "allocated": m.TotalAlloc, // since it began
	})
}
