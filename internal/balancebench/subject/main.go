// The program subject is what balancebench measures: a server with the balancer, everything on, or
// with a bare ReverseProxy. It is made for measuring and for nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/edge"
)

type settings struct {
	mode     string
	listen   string
	console  string
	log      string
	backends []balance.Backend
	slots    int
	without  *regexp.Regexp // features that stay off
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "subject:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var s settings
	f := flag.NewFlagSet("subject", flag.ContinueOnError)
	f.StringVar(&s.mode, "mode", "balance", "balance or ReverseProxy")
	f.StringVar(&s.listen, "listen", "127.0.0.1:0", "address")
	f.StringVar(&s.console, "console", "", "a unix socket for changes of the pool and profiles")
	f.StringVar(&s.log, "log", "", "the access log's file")
	f.IntVar(&s.slots, "slots", 0, "requests at a time for each backend; 0: any number")
	addresses := f.String("backends", "", "addresses, with commas between them")
	without := f.String("without", "", "a pattern of features that stay off, to see what they cost")
	features := f.Bool("features", false, "say what is on, and end")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if s.without, err = regexp.Compile(*without); err != nil {
		return err
	}
	if *features {
		fmt.Println(strings.Join(on(), ", "))
		return nil
	}
	for i, a := range strings.Split(*addresses, ",") {
		s.backends = append(s.backends, balance.Backend{Name: fmt.Sprintf("b%d", i+1), URL: "http://" + a, MaxInFlight: s.slots})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.mode == "ReverseProxy" {
		handler, err := bare(&s)
		if err != nil {
			return err
		}
		return serveBare(ctx, &s, handler)
	}
	x, err := newSubject(&s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	errs := make([]error, len(x.runs))
	for i, r := range x.runs {
		all.Go(func() { errs[i] = r(ctx) })
	}
	err = x.serve(ctx)
	cancel()
	all.Wait()
	return errors.Join(append(errs, err)...)
}

// serve answers until ctx ends, behind the edge if there is one.
func (x *subject) serve(ctx context.Context) error {
	if x.edge == nil {
		return serveBare(ctx, x.settings, x.handler)
	}
	l, err := net.Listen("tcp", x.settings.listen)
	if err != nil {
		return err
	}
	server, err := edge.New(x.handler, *x.edge)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	var all sync.WaitGroup
	defer all.Wait()
	console, err := serveConsole(&all, x.settings.console, x)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return errors.Join(server.Serve(ctx, edge.Listener{Listener: l}), console.Close())
}

// serveBare is the same with nothing but net/http.
func serveBare(ctx context.Context, s *settings, handler http.Handler) error {
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	var all sync.WaitGroup
	defer all.Wait()
	console, err := serveConsole(&all, s.console, nil)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	stopped := context.AfterFunc(ctx, func() { server.Close() }) // what is open ends with the process
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, console.Close())
	}
	return console.Close()
}

// bare is the yardstick: a ReverseProxy that does what everybody's does, to one backend, with buffers
// that are reused and connections that are kept.
func bare(s *settings) (http.Handler, error) {
	target, err := url.Parse(s.backends[0].URL)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Transport:  &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: new(buffers),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			pr.Out.Host = pr.In.Host
			pr.SetXForwarded()
		},
	}, nil
}

type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
