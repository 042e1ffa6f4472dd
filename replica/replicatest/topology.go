package replicatest

import (
	"errors"
	"fmt"
	"time"
)

// A Topology says what is to run. Its zero value is three servers with asynchronous replication.
type Topology struct {
	// Servers counts the primary and its replicas. 0 means 3; up to 9.
	Servers int
	// SemiSync has the primary wait up to 10 s for one replica before a write is acknowledged.
	SemiSync bool
	// Strict has it wait for a day. It includes SemiSync.
	Strict bool
	// Partitionable puts a relay before each server, so that a [Link] can have faults. Clients then
	// come through it too, which makes each question slower by some microseconds.
	Partitionable bool
	// Durable has each server write its logs to the disk with each transaction.
	Durable bool
	// ApplyThreads is how many threads a replica applies changes with. 0 means 2; up to 64.
	ApplyThreads int
	// Arguments are given to each server besides, such as "--max-connections=10".
	Arguments []string
}

// check fills in defaults and returns everything that is wrong.
func (t *Topology) check() error {
	var errs []error
	between := func(what string, n *int, preset, high int) {
		if *n == 0 {
			*n = preset
		}
		if *n < 1 || *n > high {
			errs = append(errs, fmt.Errorf("replicatest: %s is %d; it must be from 1 to %d", what, *n, high))
		}
	}
	between("Servers", &t.Servers, 3, 9)
	between("ApplyThreads", &t.ApplyThreads, 2, 64)
	if (t.SemiSync || t.Strict) && t.Servers == 1 {
		errs = append(errs, errors.New("replicatest: a primary that waits for a replica needs one: set Servers to at least 2"))
	}
	return errors.Join(errs...)
}

// wait is how long the primary waits for an acknowledgement; 0: it does not.
func (t *Topology) wait() time.Duration {
	switch {
	case t.Strict:
		return 24 * time.Hour
	case t.SemiSync:
		return 10 * time.Second
	}
	return 0
}

func (t *Topology) arguments(id int) []string {
	args := []string{
		fmt.Sprint("--server-id=", id), "--log-bin=bin", "--log-slave-updates", "--binlog-format=ROW",
		"--gtid-strict-mode=1", "--read-only=1", "--slave-net-timeout=4", fmt.Sprint("--slave-parallel-threads=", t.ApplyThreads),
	}
	if t.Durable {
		args = append(args, "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
	} else {
		args = append(args, "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")
	}
	return append(args, t.Arguments...)
}
