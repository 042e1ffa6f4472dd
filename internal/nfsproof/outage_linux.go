package nfsproof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// Outage stores files at a place, cuts the power of the server after so many acknowledgements and boots
// it again, while the writers go on with what they were doing; cuts it once more after as many, and
// looks. What the writers were told before, between and while the server was away counts. The lab must
// have no guests, and has none afterwards.
func (b *Bench) Outage(ctx context.Context, p Place, after int) (_ *Round, err error) {
	began := time.Now()
	disk, err := guest.NewDisk(ctx, diskSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	p.Patient = true
	acks, err := b.writeThrough(ctx, p, disk, after)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	found, err := b.look(ctx, disk, acks)
	if err != nil {
		return nil, fmt.Errorf("%s: after the power cuts: %w", p.Name, err)
	}
	return &Round{Place: p.Name, Found: found, Took: time.Since(began)}, nil
}

func (b *Bench) writeThrough(ctx context.Context, p Place, disk *guest.Disk, after int) (_ *Acks, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	service, err := b.Serve(ctx, p.Server, disk)
	if err != nil {
		return nil, err
	}
	acks, complaints := NewAcks(), &awaited{there: make(chan struct{}), done: true}
	wait, end, err := p.start(ctx, service, acks, complaints)
	if err != nil {
		return nil, errors.Join(err, service.Guest.Kill())
	}
	const cuts = 2
	for cut := 1; cut <= cuts && err == nil; cut++ {
		if err = await(ctx, acks, wait, cut*after); err != nil {
			break
		}
		if err = service.Guest.Kill(); err != nil || cut == cuts {
			break
		}
		if service, err = b.Serve(ctx, p.Server, disk); err != nil {
			cancel()
			return nil, errors.Join(fmt.Errorf("the server does not come back: %w", err), end())
		}
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, complaints)
		err = errors.Join(err, service.Guest.Kill())
	}
	cancel()
	return acks, errors.Join(err, end())
}

// await waits for so many acknowledgements.
func await(ctx context.Context, acks *Acks, ended <-chan error, want int) error {
	for n, more := acks.Look(); n < want; n, more = acks.Look() {
		select {
		case <-more:
		case err := <-ended:
			return fmt.Errorf("the writers ended after %d acknowledgements of %d: %w", n, want, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
