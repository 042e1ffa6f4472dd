// The program replica-drill rehearses the worst day of a site with three database servers: it starts them
// in temporary folders, has programs write, kills the primary as a power cut would, and says in plain
// words what happens and when, until everything is as it was. It needs mariadbd and takes about ten
// seconds; nothing is left behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replica-drill:", err)
		os.Exit(1)
	}
}

// most is how long the drill may take on a busy machine.
const most = 5 * time.Minute

// errPromise is what the whole is there to look for.
var errPromise = errors.New("a promise was broken")

// run is the drill. An error means that it could not be done, or that a promise was broken.
func run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	d := &drill{out: out, begin: time.Now(), group: &replicatest.Group{}}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, step := range []func(context.Context) error{d.start, d.write, d.lose, d.repair, d.compare} {
		if err := errors.Join(step(ctx), d.group.Err()); err != nil {
			return err
		}
	}
	return nil
}
