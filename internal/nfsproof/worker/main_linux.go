// Command worker is what the proof of package nfsproof runs in guests, and beside them: writers, checks
// and servers. It needs no library of the system.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
	"github.com/sugarlabs/beamrider/nfsstore"
)

var commands = map[string]func(ctx context.Context, args []string) error{
	"frontend": frontend,
	"publish":  publish,
	"check":    check,
	"do":       do,
	"jobs":     jobs,
	"look":     look,
	"quota":    quota,
	"read":     read,
	"hang":     hang,
	"serve":    serve,
	"stale":    stale,
	"rename":   renamed,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "worker: it is started by a proof, as worker COMMAND")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "worker %s: %v\n", os.Args[1], err)
		stop()
		os.Exit(1)
	}
}

// publish stores, links and removes files until it is killed, or until it has stored so many, and prints
// what was acknowledged.
func publish(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("publish", flag.ExitOnError)
	url := flags.String("url", "", "the `place` to store in")
	id := flags.String("id", "w", "the `name` of these writers, which no others have")
	writers := flags.Int("writers", 4, "how many there are")
	patient := flags.Bool("patient", false, "do again what failed because the server is away")
	most := flags.Int64("files", 1<<40, "how many files they store in all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := nfsstore.Open(ctx, *url, &nfsstore.Options{Logger: log})
	if err != nil {
		return err
	}
	p := &publisher{store: store, left: &atomic.Int64{}, patient: *patient}
	p.left.Store(*most)
	var all errgroup.Group
	for w := range *writers {
		all.Go(func() error { return p.write(ctx, fmt.Sprintf("%s%d", *id, w)) })
	}
	return errors.Join(all.Wait(), store.Close())
}

type publisher struct {
	store *nfsstore.Store
	left  *atomic.Int64
	mu    sync.Mutex

	patient bool
}

// try makes a call, again and again while the server is away if that is wanted.
func (p *publisher) try(ctx context.Context, call func() error) error {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		err := call()
		if !p.patient || !errors.Is(err, nfsstore.ErrUnavailable) {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// size is mostly that of an icon, sometimes that of a small bundle.
func size(n int) int {
	if n%16 == 7 {
		return 300_000 + n%1000
	}
	return 16<<10 + n%100
}

func (p *publisher) write(ctx context.Context, id string) error {
	for n := 0; p.left.Add(-1) >= 0; n++ {
		name := nfsproof.Name(id, n, size(n))
		content, err := nfsproof.Content(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		err = p.try(ctx, func() error {
			return p.store.Put(ctx, name, bytes.NewReader(content), int64(len(content)), sum[:])
		})
		if err != nil {
			return err
		}
		if err := p.ack(nfsproof.Ack{Name: name}); err != nil {
			return err
		}
		if n%4 == 3 {
			linked := strings.Replace(name, "files/", "links/", 1)
			if err := p.try(ctx, func() error { return p.store.Link(ctx, name, linked) }); err != nil {
				return err
			}
			if err := p.ack(nfsproof.Ack{Name: linked}); err != nil {
				return err
			}
		}
		if n%5 == 4 {
			old := nfsproof.Name(id, n-3, size(n-3))
			// Whoever dies in the middle of a removal has promised neither.
			if err := p.ack(nfsproof.Ack{Name: old, Undecided: true}); err != nil {
				return err
			}
			err := p.try(ctx, func() error { return p.store.Remove(ctx, old) })
			if err != nil && !(p.patient && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
			if err := p.ack(nfsproof.Ack{Name: old, Gone: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *publisher) ack(a nfsproof.Ack) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Println(a)
	return err
}

// check prints what is wrong in a folder.
func check(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("check", flag.ExitOnError)
	dir := flags.String("dir", "", "the `folder` of the store")
	file := flags.String("acks", "", "the `file` of what was acknowledged")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := os.Open(*file)
	if err != nil {
		return err
	}
	acks, err := nfsproof.ReadAcks(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	found, err := nfsproof.Check(*dir, acks)
	if err != nil {
		return err
	}
	return print(os.Stdout, found)
}

func print(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
