package nfsproof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A server that stands still for 30 seconds costs calls until their deadlines, and a bounded number of
// goroutines; pages do not need it; and all works when it goes on.
func TestServerFrozen(t *testing.T) {
	t.Parallel()
	b := bench(t)
	ctx := t.Context()
	s, err := b.Serve(ctx, Knfsd, newDisk(t))
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, s.Guest)
	client, err := s.Client(ctx, 1, MountOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, client)

	// The whole library on the same mount.
	library := built(t, libraryPackage)
	serving := client.Command(ctx, library, "serve", "--samples", "--data", "/mnt/data", "--listen", client.Address()+":8080")
	serving.Env = []string{"REMORA_FILES_URL=/mnt/n/library"}
	log := &awaited{there: make(chan struct{}), done: true}
	serving.Stdout, serving.Stderr = log, log
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	page := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return b.Lab.Dial(ctx, address) },
	}}
	defer page.CloseIdleConnections()
	get := func(path string) error {
		r, err := page.Get("http://" + client.Address() + ":8080" + path)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, r.Status)
		}
		return nil
	}
	if err := eventually(ctx, func() error { return get("/en/") }); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}

	const frozen = 30 * time.Second
	const slots = 16
	type hung struct {
		name  string
		ended chan error
		out   bytes.Buffer
		ready *awaited
	}
	hangs := []*hung{{name: "mount"}, {name: "nfs"}}
	args := func(url string) []string {
		return []string{b.Worker, "hang", "-url", url, "-for", (frozen + 8*time.Second).String(), "-slots", fmt.Sprint(slots)}
	}
	for _, h := range hangs {
		h.ended, h.ready = make(chan error, 1), &awaited{text: "ready", there: make(chan struct{})}
		if h.name == "mount" {
			cmd := client.Command(ctx, args("/mnt/n/store")...)
			cmd.Stdout, cmd.Stderr = io.MultiWriter(h.ready, &h.out), h.ready
			go func() { h.ended <- cmd.Run() }()
		} else {
			cmd := b.Lab.HostCommand(ctx, args(s.URL(""))...)
			cmd.Stdout, cmd.Stderr = io.MultiWriter(h.ready, &h.out), h.ready
			go func() { h.ended <- cmd.Run() }()
		}
		select {
		case <-h.ready.there:
		case err := <-h.ended:
			t.Fatalf("%s: %v\n%s", h.name, err, h.ready)
		}
	}
	if err := s.Guest.Freeze(); err != nil {
		t.Fatal(err)
	}
	held := time.NewTimer(frozen)
	defer held.Stop()
	look := time.NewTicker(2 * time.Second)
	defer look.Stop()
	pages := 0
	for still := true; still; {
		select {
		case <-held.C:
			still = false
		case <-look.C:
			for _, path := range []string{"/en/", "/services/update-aslo.php?id=org.sugarlabs.StarCounter&appVersion=0.110"} {
				if err := get(path); err != nil {
					t.Errorf("while the file server stood still: %v", err)
				}
				pages++
			}
		}
	}
	if err := s.Guest.Thaw(); err != nil {
		t.Fatal(err)
	}
	if pages < 4 {
		t.Errorf("only %d pages were asked for", pages)
	}
	for _, h := range hangs {
		if err := <-h.ended; err != nil {
			t.Errorf("%s: %v\n%s", h.name, err, h.ready)
			continue
		}
		_, last, _ := bytes.Cut(h.out.Bytes(), []byte("ready\n"))
		var r HangResult
		if err := json.Unmarshal(last, &r); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", h.name, r)
		switch {
		case r.Failed == 0:
			t.Errorf("%s: no call failed: was the server frozen?", h.name)
		case r.Slowest > 5*HangDeadline:
			t.Errorf("%s: a call with a deadline of %v took %v", h.name, HangDeadline, r.Slowest)
		case r.Goroutines > 3*slots:
			t.Errorf("%s: %d goroutines were held with %d slots", h.name, r.Goroutines, slots)
		case r.Other != "":
			t.Errorf("%s: an error does not say that the store is unavailable: %s", h.name, r.Other)
		}
	}
	if err := eventually(ctx, func() error { return get("/en/") }); err != nil {
		t.Error(err)
	}
}

// eventually waits for f to succeed.
func eventually(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
