package nodes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// Resolver asks DNS; [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Options are what may be left out; the zero value is good.
type Options struct {
	// Poll is how often the file is looked at, 10 ms to 1 h; 0 means 1 s.
	Poll time.Duration
	// Resolve is how often names are resolved, varied by a tenth, 100 ms to 24 h; 0 means 30 s. A name
	// that cannot be resolved keeps its last addresses, and is tried again after a sixth of it.
	Resolve time.Duration
	// Resolver asks DNS; nil: [net.DefaultResolver].
	Resolver Resolver
	// Logger gets mistakes, once for each; nil: none.
	Logger *slog.Logger
}

const (
	lookupTimeout = 5 * time.Second
	maxAddresses  = 64 // of one name
)

// A File keeps a pool like a node file says.
type File struct {
	path  string
	apply func([]balance.Backend) error
	o     Options

	sum      [sha256.Size]byte // of the content that is in force
	seen     [sha256.Size]byte // of the content that was looked at last
	nodes    []Node
	resolved map[string]answer // by Node.label of names
	due      time.Time         // for the next resolution
	applied  []balance.Backend
	// unresolved is what was wrong with names, or for the pool, when they were resolved last.
	unresolved error

	mu     sync.Mutex
	status Status
}

type answer struct{ addresses []netip.AddrPort }

// Status is how a File stands.
type Status struct {
	// Loaded is when the content that is in force was read; zero: none is.
	Loaded time.Time
	// Nodes is how many nodes it has, Backends how many backends they are.
	Nodes, Backends int
	// Fault is what is wrong with the file as it is now, or with a name; nil: nothing.
	Fault error
}

// Open returns a File that gives its backends to apply, [balance.Balancer.Set] for example, which must
// refuse a list whole or take it whole. It reads the file once: on error, which has all mistakes,
// there is no File. Names are resolved when Run begins.
func Open(path string, apply func([]balance.Backend) error, o *Options) (*File, error) {
	f := &File{path: path, apply: apply, resolved: map[string]answer{}}
	if o != nil {
		f.o = *o
	}
	var errs []error
	if apply == nil {
		errs = append(errs, errors.New("nodes: there is nobody to give the backends to: apply is nil"))
	}
	for _, d := range []struct {
		name             string
		v                *time.Duration
		def, least, most time.Duration
	}{{"Poll", &f.o.Poll, time.Second, 10 * time.Millisecond, time.Hour}, {"Resolve", &f.o.Resolve, 30 * time.Second, 100 * time.Millisecond, 24 * time.Hour}} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < d.least || *d.v > d.most {
			errs = append(errs, fmt.Errorf("nodes: Options.%s is %v; it must be between %v and %v, or 0 for %v", d.name, *d.v, d.least, d.most, d.def))
		}
	}
	if f.o.Resolver == nil {
		f.o.Resolver = net.DefaultResolver
	}
	if f.o.Logger == nil {
		f.o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	if err := f.give(); err != nil {
		return nil, err
	}
	return f, nil
}

// Status returns how the file stands. It may be called at any time.
func (f *File) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Run follows the file and the names in it until ctx ends, then returns nil. Mistakes are a state and
// no error. It must not be called twice at a time.
func (f *File) Run(ctx context.Context) error {
	tick := time.NewTicker(f.o.Poll)
	defer tick.Stop()
	for {
		f.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round looks at everything once.
func (f *File) round(ctx context.Context) {
	news, err := f.read()
	if now := time.Now(); news || !now.Before(f.due) {
		failed := f.resolve(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := f.o.Resolve + time.Duration((rand.Float64()-0.5)/5*float64(f.o.Resolve))
		if failed != nil {
			wait /= 6
		}
		f.due = now.Add(wait)
		f.unresolved = errors.Join(failed, f.give())
	}
	f.note(errors.Join(err, f.unresolved))
}

func (f *File) note(err error) {
	f.mu.Lock()
	before := f.status.Fault
	f.status.Fault = err
	f.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.o.Logger.Warn("the node file is not followed", "file", f.path, "error", err)
	case err == nil && before != nil:
		f.o.Logger.Info("the node file is followed again", "file", f.path)
	}
}

// read takes over the file's content if it is new and good.
func (f *File) read() (news bool, err error) {
	data, err := readFile(f.path)
	if err != nil {
		return false, fmt.Errorf("nodes: the node file cannot be read: %w", err)
	}
	sum := sha256.Sum256(data)
	if sum == f.sum && f.nodes != nil {
		f.seen = sum
		return false, nil
	}
	// Half a file looks like a file. What is still being written is let alone until it has been the
	// same twice, except at the start.
	if f.nodes != nil && sum != f.seen {
		f.seen = sum
		return false, nil
	}
	nodes, err := Parse(data)
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.path, err)
	}
	if nodes == nil {
		nodes = []Node{}
	}
	f.nodes, f.sum, f.seen = nodes, sum, sum
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Loaded, f.status.Nodes = time.Now(), len(nodes)
	return true, nil
}

// readFile reads a regular file, a little more than MaxSize at most. A pipe would be waited on for ever.
func readFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(file, MaxSize+1))
	}
	return data, errors.Join(err, file.Close())
}

// resolve asks for the addresses of names. Those that fail keep what they had.
func (f *File) resolve(ctx context.Context) error {
	var errs []error
	present := map[string]bool{}
	for i := range f.nodes {
		n := &f.nodes[i]
		if !n.named() {
			continue
		}
		label := n.label()
		present[label] = true
		addresses, err := f.lookup(ctx, n)
		if err != nil {
			errs = append(errs, fmt.Errorf("nodes: line %d: %s cannot be resolved, and keeps %d addresses: %w", n.Line, n.Host, len(f.resolved[label].addresses), err))
			continue
		}
		f.resolved[label] = answer{addresses}
	}
	for label := range f.resolved {
		if !present[label] {
			delete(f.resolved, label)
		}
	}
	return errors.Join(errs...)
}

func (n *Node) named() bool {
	if n.Socket != "" {
		return false
	}
	_, err := netip.ParseAddr(n.Host)
	return err != nil
}

func (f *File) lookup(ctx context.Context, n *Node) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var list []netip.AddrPort
	if !n.Service {
		found, err := f.o.Resolver.LookupNetIP(ctx, "ip", n.Host)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			list = append(list, netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(n.Port)))
		}
	} else {
		_, targets, err := f.o.Resolver.LookupSRV(ctx, "", "", n.Host)
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			found, err := f.o.Resolver.LookupNetIP(ctx, "ip", strings.TrimSuffix(t.Target, "."))
			if err != nil {
				return nil, err
			}
			for _, a := range found {
				list = append(list, netip.AddrPortFrom(a.Unmap().WithZone(""), t.Port))
			}
			if len(list) > maxAddresses {
				break
			}
		}
	}
	slices.SortFunc(list, netip.AddrPort.Compare)
	list = slices.Compact(list)
	if len(list) == 0 {
		return nil, errors.New("DNS knows no address")
	}
	return list[:min(len(list), maxAddresses)], nil
}

// give hands the backends over if they are others than before.
func (f *File) give() error {
	list := []balance.Backend{}
	at := map[string]bool{}
	add := func(n *Node, address netip.AddrPort, several bool) {
		b := n.backend(address, several)
		if at[b.Name] {
			return // two names lead to the same address: the first counts
		}
		at[b.Name] = true
		list = append(list, b)
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		switch {
		case n.Disabled:
		case n.Socket != "":
			add(n, netip.AddrPort{}, false)
		case !n.named():
			a, err := netip.ParseAddr(n.Host)
			if err != nil {
				return err // it was parsed before
			}
			add(n, netip.AddrPortFrom(a, uint16(n.Port)), false)
		default:
			addresses := f.resolved[n.label()].addresses
			for _, a := range addresses {
				add(n, a, len(addresses) > 1)
			}
		}
	}
	if f.applied != nil && slices.EqualFunc(list, f.applied, same) {
		return nil
	}
	if err := f.apply(list); err != nil {
		return fmt.Errorf("nodes: the pool has refused the backends of %s: %w", f.path, err)
	}
	f.applied = list
	f.o.Logger.Info("the node file is in force", "file", f.path, "backends", len(list))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Backends = len(list)
	return nil
}

func same(a, b balance.Backend) bool {
	return a.Name == b.Name && a.URL == b.URL && a.Weight == b.Weight && a.MaxInFlight == b.MaxInFlight && a.Backup == b.Backup
}

// Format writes nodes as a node file that Parse reads as the same.
func Format(list []Node) []byte {
	var b bytes.Buffer
	for i := range list {
		n := &list[i]
		bare := *n
		bare.Name = ""
		b.WriteString(bare.label())
		for _, w := range []struct {
			key   string
			value int
		}{{"weight", n.Weight}, {"max", n.Max}} {
			if w.value != 0 {
				fmt.Fprintf(&b, " %s=%d", w.key, w.value)
			}
		}
		if n.Name != "" {
			b.WriteString(" name=" + n.Name)
		}
		if n.Backup {
			b.WriteString(" backup")
		}
		if n.Disabled {
			b.WriteString(" disabled")
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
