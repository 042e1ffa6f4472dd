package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"syscall"
	"time"
)

// Changes made at load, one each changeEvery.
const (
	changes     = 100
	changeEvery = 100 * time.Millisecond
	changeRate  = 1000
)

// reload changes the pool a hundred times, then drains one backend after the other a hundred times,
// while requests come at a constant rate. The balancer changes its pool within its process; HAProxy
// and nginx start new ones, which is what their settings need.
func reload(ctx context.Context, b *bench) (err error) {
	backends, addresses, err := b.backends(ctx, 3, "-slots", "16", "-takes", "2ms")
	defer func() { err = errors.Join(err, killAll(backends)) }()
	if err != nil {
		return err
	}
	proxies, err := b.start(ctx, "reload", job{backends: addresses}, []peer{b.ours(), haproxy, nginx})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAll(proxies)) }()
	b.results.title("reload", fmt.Sprintf("%d reloads and %d drains, one each %v, at %d requests/s", changes, changes, changeEvery, changeRate))
	if err := pause(ctx, time.Second); err != nil { // checks have seen the backends
		return err
	}
	for _, x := range proxies {
		b.results.about("reload", x.name, x.says(), x.note)
		reload, drain := changesOf(x)
		for _, kind := range []struct {
			name string
			do   func(ctx context.Context, i int) error
		}{{"reloads", reload}, {"drains", drain}} {
			if kind.do == nil {
				continue
			}
			b.say("reload: %s of %s", kind.name, x.name)
			r, done, err := b.changing(ctx, x, kind.do)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", kind.name, x.name, err)
			}
			all := r.all()
			b.results.add("reload", x.name, map[string]float64{
				"failed in " + kind.name: float64(all.Failed + all.Refused), kind.name: float64(done),
				"sent": float64(all.Sent), "connections lost": float64(r.Again), "longest ms": all.Longest,
			})
			for why, n := range r.Why {
				b.say("%s of %s: %d × %s", kind.name, x.name, n, why)
			}
		}
	}
	return nil
}

// changing makes changes until there were enough, while requests come.
func (b *bench) changing(ctx context.Context, x *proxy, change func(context.Context, int) error) (r loadReport, n int, err error) {
	lasts := (changes + 5) * changeEvery
	ended := make(chan error, 1)
	go func() {
		var err error
		r, err = b.open(ctx, x.address(), changeRate, lasts, 0)
		ended <- err
	}()
	tick := time.NewTicker(changeEvery)
	defer tick.Stop()
	for n < changes {
		select {
		case <-ctx.Done():
			return r, n, errors.Join(context.Cause(ctx), <-ended)
		case <-tick.C:
		}
		if err := change(ctx, n); err != nil {
			return r, n, errors.Join(err, <-ended)
		}
		n++
	}
	return r, n, <-ended
}

// changesOf returns how a proxy reloads and drains; nil: it cannot.
func changesOf(x *proxy) (reload, drain func(ctx context.Context, i int) error) {
	switch x.name {
	case "balance":
		console := newConsole(filepath.Join(x.dir, "console"))
		reload = func(ctx context.Context, _ int) error { return console.post(ctx, "/reload", nil) }
		drain = func(ctx context.Context, i int) error {
			return console.post(ctx, "/drain", url.Values{"name": {fmt.Sprintf("b%d", i%3+1)}})
		}
	case haproxy.name:
		// A server that drains takes no new requests; it is ready again when the next one drains.
		socket := filepath.Join(x.dir, "haproxy.sock")
		reload = func(context.Context, int) error { return x.processes[0].Signal(syscall.SIGUSR2) }
		drain = func(ctx context.Context, i int) error {
			return tell(ctx, socket, fmt.Sprintf("set server back/b%d state ready; set server back/b%d state drain\n", (i+2)%3+1, i%3+1))
		}
	case nginx.name:
		reload = func(context.Context, int) error { return x.processes[0].Signal(syscall.SIGHUP) }
	}
	return reload, drain
}

// tell sends a line to a socket and waits for the answer.
func tell(ctx context.Context, socket, line string) (err error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}

// A console speaks to the program that serves the balancer.
type console struct{ client *http.Client }

func newConsole(socket string) *console {
	return &console{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

func (c *console) post(ctx context.Context, path string, values url.Values) error {
	_, err := c.ask(ctx, http.MethodPost, path, values)
	return err
}

func (c *console) ask(ctx context.Context, method, path string, values url.Values) (text []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://console"+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if text, err = io.ReadAll(io.LimitReader(res.Body, 16<<20)); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", path, res.Status, text)
	}
	return text, nil
}
