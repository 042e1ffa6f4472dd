package nfs3vol

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/fence"
	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A Vol is the volume of an export. It makes its client at the first call that finds the server there.
// Its methods may be called concurrently.
type Vol struct {
	config Config
	names  vol.Names
	fence  *fence.Fence
	temps  temps
	ahead  chan struct{} // bounds the chunks that are read ahead, of all files

	life context.Context // until close
	end  context.CancelFunc

	turn chan struct{} // held by the one who makes the client, and by close

	mu      sync.Mutex
	client  *nfs3.Client // nil: not yet
	failed  error        // the last try to make it, by which the next is put off
	retry   time.Time
	backoff time.Duration
}

// How long a failed try to reach the server answers for the calls that follow.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// tryTimes bounds how often one operation is done again when its reply was lost or the server
// restarted under it.
const tryTimes = 4

var _ interface {
	vol.Vol
	vol.Keeper
} = (*Vol)(nil)

// New returns the volume of an export, which it does not look for yet. All mistakes of c are in the
// error, which matches [fs.ErrInvalid].
func New(c Config) (*Vol, error) {
	var errs []error
	if err := c.client().Check(); err != nil {
		errs = append(errs, &vol.Error{Fault: vol.FaultInvalid, Err: fs.ErrInvalid, Sentence: err.Error()})
	}
	if err := checkNames(c.Names); err != nil {
		errs = append(errs, err)
	}
	if ip, err := netip.ParseAddr(c.Host); err == nil {
		if err := checkPrivate(ip); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	x := &Vol{config: c, names: c.Names, turn: make(chan struct{}, 1), ahead: make(chan struct{}, maxAhead)}
	if x.names == 0 {
		x.names = vol.NamesByFence
	}
	x.life, x.end = context.WithCancel(context.Background())
	x.fence = fence.New(ground{x}, c.Logger)
	return x, nil
}

// Caps implements [vol.Vol]. That the server has links is not known before it answers.
func (x *Vol) Caps() vol.Caps { return vol.Caps{Link: true, Deadline: true, Names: x.names} }

// String returns the address.
func (x *Vol) String() string { return x.config.String() }

// Keeps implements [vol.Keeper].
func (x *Vol) Keeps(name string) bool { return x.fence.Keeps(name) }

// Reach looks for the server and mounts the export, unless that was done; other calls do so by
// themselves. An error whose fault is [vol.FaultAway] says that it may come yet.
func (x *Vol) Reach(ctx context.Context) error {
	_, err := x.dial(ctx)
	return told(err)
}

// away reports whether the server did not answer, or not by the protocol, as one that is just being
// started; so that trying again makes sense.
func away(err error) bool {
	return errors.Is(err, nfs3.ErrNoAnswer) || errors.Is(err, nfs3.ErrProtocol)
}

// told makes the errors of the client those of a volume.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nfs3.ErrClosed) && !errors.Is(err, fs.ErrClosed):
		return errors.Join(fs.ErrClosed, err)
	case errors.Is(err, nfs3.ErrName):
		// What else is wrong with a name was seen before.
		return &vol.Error{Fault: vol.FaultLongName, Err: err}
	case away(err):
		return &vol.Error{Fault: vol.FaultAway, Err: err}
	}
	return err
}

// dial returns the client, which it makes when there is none.
func (x *Vol) dial(ctx context.Context) (*nfs3.Client, error) {
	if c, err := x.now(); c != nil || err != nil {
		return c, err
	}
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c, err := x.now(); c != nil || err != nil {
		return c, err
	}
	c, err := x.connect(ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err == nil:
		x.client, x.failed = c, nil
	case ctx.Err() == nil: // an impatient caller says nothing about the server
		x.backoff = min(max(2*x.backoff, firstBackoff), lastBackoff)
		x.failed, x.retry = err, time.Now().Add(x.backoff)
	}
	return c, err
}

// now returns the client that there is, or why there is none to be had now, or neither.
func (x *Vol) now() (*nfs3.Client, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.life.Err() != nil:
		return nil, fs.ErrClosed
	case x.client != nil:
		return x.client, nil
	case x.failed != nil && time.Now().Before(x.retry):
		return nil, x.failed
	}
	return nil, nil
}

// connect tries the addresses of the host, all of which must be private.
func (x *Vol) connect(ctx context.Context) (*nfs3.Client, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(x.life, cancel)
	defer stop()
	ips, err := privateIPs(ctx, x.config.Host)
	if err != nil {
		return nil, err
	}
	var errs []error
	const maxIPs = 4
	for _, ip := range ips[:min(len(ips), maxIPs)] {
		c := x.config
		// The address that was looked at, and not what the name stands for a moment later.
		c.Host = ip.String()
		client, err := nfs3.Dial(ctx, c.client())
		if err == nil {
			return client, nil
		}
		if !away(err) && ctx.Err() == nil {
			// That an export does not exist must not be taken for that of a file.
			err = &vol.Error{Fault: vol.FaultRefused, Err: errors.New(err.Error()), Sentence: "the NFS server does not let us use " +
				"this export; check its path, and on the server whether this machine is among its clients"}
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// privateIPs returns the addresses of host, unless one of them is public.
func privateIPs(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, checkPrivate(ip)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("it has none")
	}
	if err != nil {
		return nil, &vol.Error{Fault: vol.FaultAway, Err: err,
			Sentence: "the address of the NFS server " + host + " cannot be found; check its name and the name service"}
	}
	for _, ip := range ips {
		if err := checkPrivate(ip); err != nil {
			return nil, err
		}
	}
	return ips, nil
}

// Close ends all calls, also those that wait for the server to come.
func (x *Vol) Close() error {
	x.fence.Close(x.life)
	x.end()
	x.turn <- struct{}{} // connect has been told to end
	defer func() { <-x.turn }()
	x.mu.Lock()
	c := x.client
	x.client = nil
	x.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}
