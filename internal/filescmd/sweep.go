package filescmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

type sweepCmd struct {
	OlderThan time.Duration `help:"How old what is removed is at least, such as 24h or 1h; less than the longest upload takes is too little. The trash and .nfs leftovers are kept for 24h in any case." default:"24h" placeholder:"TIME"`
	JSON      bool          `help:"Write JSON."`
}

func (c *sweepCmd) Help() string {
	return `Removes what nobody wants any more: the temporary files of programs that were killed, what was removed a
day ago and is in the trash since, the .nfs leftovers of NFS clients that died, public names of what was
withdrawn, and bundles and screenshots that were stored and never came to be wanted. A server with the
role files does the same every ten minutes, so this is for a disk that is full now.

  remora-server files sweep
  remora-server files sweep --older-than 1h`
}

// Swept is what a sweep has removed.
type Swept struct {
	Leftovers int `json:"leftovers"` // temporary files, trash and what NFS clients left
	Withdrawn int `json:"withdrawn"` // public names
	Unwanted  int `json:"unwanted"`  // bundles and screenshots
}

// SweepLease is the name of the lease under which one machine at a time sweeps.
const SweepLease = "tidy"

// Sweep removes what crashes have left and what nobody has wanted since a time; with an error it
// says what was removed before.
func (l Library) Sweep(ctx context.Context, olderThan time.Duration) (n Swept, err error) {
	counting := &counter{Files: l.Files}
	shelf, err := intake.NewShelf(l.Store, counting)
	if err != nil {
		return n, err
	}
	err = shelf.Settle(ctx, remora.TimeOf(time.Now().Add(-olderThan)))
	n.Withdrawn, n.Unwanted = counting.withdrawn, counting.unwanted
	leftovers, sweepErr := l.Files.Sweep(ctx, olderThan)
	n.Leftovers = leftovers
	return n, errors.Join(err, trouble(sweepErr, "Not everything in the files could be swept."))
}

// A counter counts what is removed. It is for one goroutine.
type counter struct {
	remora.Files
	withdrawn, unwanted int
}

func (c *counter) Remove(ctx context.Context, name string) error {
	err := c.Files.Remove(ctx, name)
	switch {
	case err != nil:
	case strings.HasPrefix(name, "public/"):
		c.withdrawn++
	default:
		c.unwanted++
	}
	return err
}

func (c *sweepCmd) Run(ctx context.Context, e *Env) error {
	if c.OlderThan < 0 {
		return remora.Errorf(remora.KindInvalid, "config.older-than", "The age of --older-than is below 0.")
	}
	return e.Library(ctx, func(l Library) (err error) {
		place, err := open(ctx, e.Place, true, e.Log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, place.Close()) }()
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		before := room(ctx, place)
		var n Swept
		err = l.Store.RunLeased(ctx, SweepLease, host+" files sweep", time.Minute, func(ctx context.Context, _ sqlstore.Lease) (err error) {
			n, err = l.Sweep(ctx, c.OlderThan)
			return err
		})
		if held, ok := errors.AsType[*remora.Error](err); ok && held.Code == "lease.held" {
			return &remora.Error{Kind: remora.KindUnavailable, Op: "files", Message: "A server of this library sweeps just now; look again in a minute.", Err: err}
		}
		return errors.Join(c.show(e, n, max(room(ctx, place)-before, 0)), err)
	})
}

func (c *sweepCmd) show(e *Env, n Swept, freed int64) error {
	if c.JSON {
		return e.showJSON(struct {
			Swept
			Freed int64 `json:"freed_bytes"` // about: others store meanwhile
		}{n, freed})
	}
	_, err := fmt.Fprintf(e.Stdout, "Removed: %s, %s, %s. About %s are free again.\n",
		several(int64(n.Leftovers), "leftover"), several(int64(n.Withdrawn), "withdrawn name"), several(int64(n.Unwanted), "unwanted file"), bytesText(freed))
	return err
}

// room returns how many bytes are free, 0 where that cannot be told.
func room(ctx context.Context, s *nfsstore.Store) int64 {
	free, _, err := s.Space(ctx)
	if err != nil {
		return 0
	}
	return free
}
