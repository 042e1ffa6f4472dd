// Command cachecheck serves one backend through a cache, for suites that test caches from outside:
//
//	go run ./balance/cache/internal/cachecheck 127.0.0.1:8001 http://127.0.0.1:8000
//
// The options are the defaults: nothing is stored that does not say so. docs/balance-checks.md says
// how the suite is run.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/cache"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("cachecheck: give an address to listen on and the URL of a backend, like 127.0.0.1:8001 http://127.0.0.1:8000")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := cache.New(nil)
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := balance.New([]balance.Backend{{Name: "suite", URL: args[1]}}, &balance.Options{Cache: c})
	if err != nil {
		return err
	}
	server := &http.Server{Addr: args[0], Handler: b, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		server.Close() // nobody waits for the last answers
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cachecheck: %w", err)
	}
	return nil
}
