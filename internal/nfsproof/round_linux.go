package nfsproof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// A Place is a way to keep files that a power cut is to be survived by.
type Place struct {
	Name   string
	Server Server
	Mount  bool   // the writers use a mount of the kernel; else, with a server, our own client
	Names  string // how the store is to make names safe; "": as it decides
	// Renames makes the writers do without links, which the server has not: they write under another
	// name, sync and rename.
	Renames bool
	// Patient lets the writers do again what failed because the server is away.
	Patient bool
}

// Places are those that must lose nothing.
var Places = []Place{
	{Name: "dirvol on ext4"},
	{Name: "dirvol on a mount of knfsd", Server: Knfsd, Mount: true},
	{Name: "dirvol on a mount of Ganesha", Server: Ganesha, Mount: true},
	{Name: "nfs3vol on Ganesha", Server: Ganesha},
	{Name: "nfs3vol on nfsd", Server: Nfsd},
	{Name: "nfs3vol on nfsd with hidden-later, without fence", Server: NfsdLater, Names: "server"},
}

// MorePlaces must lose nothing either.
var MorePlaces = []Place{
	{Name: "nfs3vol on knfsd", Server: Knfsd},
	{Name: "nfs3vol on knfsd, without fence", Server: Knfsd, Names: "server"},
	{Name: "dirvol on a mount of nfsd", Server: Nfsd, Mount: true},
}

// Controls are places that lose what they acknowledged, in one round of ten at least. Without them a
// proof would not show that it can find anything.
var Controls = []Place{
	{Name: "dirvol on a mount of Ganesha, without fence", Server: Ganesha, Mount: true, Names: "server"},
	{Name: "nfs3vol on Ganesha, without fence", Server: Ganesha, Names: "server"},
	{Name: "go-nfs, by names that are changed", Server: GoNFS, Renames: true, Names: "server"},
}

// diskSize is that of the disk of guest 0, bytes.
const diskSize = 512 << 20

// A Round is one power cut.
type Round struct {
	Place string        `json:"place"`
	Found *Finding      `json:"found"`
	Took  time.Duration `json:"took"`
}

// Cut stores files at a place, cuts the power of guest 0 after so many acknowledgements, boots it again
// and looks. The lab must have no guests, and has none afterwards.
func (b *Bench) Cut(ctx context.Context, p Place, after int) (_ *Round, err error) {
	began := time.Now()
	disk, err := guest.NewDisk(ctx, diskSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	acks, err := b.write(ctx, p, disk, after)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	found, err := b.look(ctx, disk, acks)
	if err != nil {
		return nil, fmt.Errorf("%s: after the power cut: %w", p.Name, err)
	}
	return &Round{Place: p.Name, Found: found, Took: time.Since(began)}, nil
}

// write runs the writers until the power is cut.
func (b *Bench) write(ctx context.Context, p Place, disk *guest.Disk, after int) (_ *Acks, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	service, err := b.Serve(ctx, p.Server, disk)
	if err != nil {
		return nil, err
	}
	server := service.Guest
	acks, complaints := NewAcks(), &awaited{there: make(chan struct{}), done: true}
	wait, end, err := p.start(ctx, service, acks, complaints)
	if err != nil {
		return nil, errors.Join(err, server.Kill())
	}
	if err := await(ctx, acks, wait, after); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, complaints)
	}
	// First the disk, then who writes to it: what they hear until then counts.
	err = server.Kill()
	cancel()
	return acks, errors.Join(err, end())
}

// start starts the writers where they belong. They write to wait when they end, and are gone when end
// has returned.
func (p Place) start(ctx context.Context, s *Service, out, errs io.Writer) (wait <-chan error, end func() error, err error) {
	where, at := s.Guest, exported
	end = func() error { return nil }
	switch {
	case p.Mount:
		if where, err = s.Client(ctx, 1, MountOptions); err != nil {
			return nil, nil, err
		}
		at, end = "/mnt/n", where.Kill
	case p.Server != NoServer:
		at = s.URL(p.Names)
	}
	if p.Names != "" && !strings.HasPrefix(at, "nfs:") {
		at = "file://" + at + "?names=" + p.Names
	}
	verb := "publish"
	if p.Renames {
		verb = "rename"
	}
	args := []string{s.bench.Worker, verb, "-url", at}
	if p.Patient {
		args = append(args, "-patient")
	}
	ended := make(chan error, 1)
	if strings.HasPrefix(at, "nfs:") {
		cmd := s.bench.Lab.HostCommand(ctx, args...)
		cmd.Stdout, cmd.Stderr = out, errs
		if err := cmd.Start(); err != nil {
			return nil, nil, err
		}
		gone := make(chan struct{})
		go func() {
			err := cmd.Wait()
			close(gone)
			ended <- err
		}()
		return ended, func() error { <-gone; return nil }, nil
	}
	cmd := where.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	gone := make(chan struct{})
	go func() {
		err := cmd.Wait()
		close(gone)
		ended <- err
	}()
	stop := end
	return ended, func() error { err := stop(); <-gone; return err }, nil
}

// look boots guest 0 again and compares its disk with what was acknowledged.
func (b *Bench) look(ctx context.Context, disk *guest.Disk, acks *Acks) (_ *Finding, err error) {
	f, err := os.CreateTemp("", "acks") // which the guest reads
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = acks.WriteTo(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	g, err := b.Lab.Boot(ctx, guest.Machine{Disk: disk})
	if err != nil {
		return nil, err
	}
	out, err := g.Shell(ctx, mountDisk+fmt.Sprintf("%s check -dir %s -acks %s", b.Worker, exported, f.Name()))
	if err = errors.Join(err, g.Kill()); err != nil {
		return nil, err
	}
	found := new(Finding)
	return found, json.Unmarshal([]byte(out), found)
}
