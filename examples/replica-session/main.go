// The program replica-session shows what a session is for: whoever has written sees it, although the
// replica that answers reads is late, and although the reader is another program.
//
//	replica-session                  on two servers of its own in temporary folders, the replica a second late
//	replica-session DSN [DSN...]     on yours: the primary and its replicas, as user:password@tcp(host:3306)/database
//
// On servers of yours it makes a table beamrider_example and drops it in the end. What matters is in
// session.go.
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

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replica-session:", err)
		os.Exit(1)
	}
}

// most is how long the whole may take.
const most = 2 * time.Minute

func run(ctx context.Context, dsns []string, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if len(dsns) == 0 {
		g, err := replicatest.Open(ctx, replicatest.Topology{Servers: 2})
		if err != nil {
			return err
		}
		defer g.Close()
		g.Servers[1].Delay(time.Second)
		if err := g.Err(); err != nil {
			return err
		}
		for _, s := range g.Servers {
			dsns = append(dsns, s.DSN())
		}
	}
	var c replica.Config
	for i, dsn := range dsns {
		c.Nodes = append(c.Nodes, replica.Node{Name: fmt.Sprint("node ", i+1), DSN: dsn})
	}
	r, err := replica.New(c)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	watch, end := context.WithCancel(context.WithoutCancel(ctx))
	go func() { ended <- r.Run(watch) }()
	defer func() {
		end()
		err = errors.Join(err, <-ended, r.Close())
	}()
	if err := r.WaitReady(ctx); err != nil {
		return err
	}
	return withTable(ctx, r, out)
}

// withTable makes the table, shows what there is to see, and drops it.
func withTable(ctx context.Context, r *replica.Router, out io.Writer) (err error) {
	session := replica.NewSession()
	made := replica.WithSession(ctx, session)
	if _, err := r.Write(made).ExecContext(made, "CREATE TABLE beamrider_example (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)"); err != nil {
		return err
	}
	defer func() {
		// Also when the visitor has pressed Ctrl-C.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, dropped := r.Write(late).ExecContext(late, "DROP TABLE beamrider_example")
		err = errors.Join(err, dropped)
	}()
	if err := settle(ctx, r, session); err != nil {
		return err
	}
	return show(ctx, r, out)
}

// settle waits until a replica has what the session has written and read.
func settle(ctx context.Context, r *replica.Router, s *replica.Session) error {
	var writes, reads int
	if err := r.Write(ctx).QueryRowContext(ctx, "SELECT @@server_id").Scan(&writes); err != nil {
		return err
	}
	ctx = replica.WithSession(ctx, s)
	// Between two reads the router has to find out how far the servers are, which takes a busy machine longer.
	for pause := 50 * time.Millisecond; len(r.Status().Nodes) > 1; pause = min(2*pause, 2*time.Second) {
		if err := r.Read(ctx).QueryRowContext(ctx, "SELECT @@server_id").Scan(&reads); err != nil {
			return err
		}
		if writes != reads {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("no replica has what was written: %w", ctx.Err())
		}
	}
	return nil
}
