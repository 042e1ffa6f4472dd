package promote

import (
	"context"
	"fmt"
)

// An old primary that was cut off, not killed, may have commits that wait for a replica's
// acknowledgement. What ends that wait decides what becomes of them:
//
//   - Switching semi-sync off confirms them to their clients, though nobody else has them.
//   - A connection that is ended, and an orderly shutdown, finish the commit, and as a rule tell the
//     client nothing; one of those that queued behind it was seen to be confirmed. The server has then
//     what the new primary has not, and is to be rebuilt.
//   - A killed server that starts with init_rpl_role=SLAVE drops them, and can join.
//
// So the first never happens here, and the second only where the server would soon do the first by itself.

// askWaiting finds the connections whose commit waits for an acknowledgement, or behind one that does.
// Of a statement that changes tables there is no transaction to be seen.
const askWaiting = `SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user <> 'system user' AND command IN ('Query', 'Execute')
 AND state IN ('Waiting for semi-sync ACK from slave', 'Commit', 'Writing to binlog') LIMIT 1000`

// waiting sees to commits that wait on s for an acknowledgement. If they would wait for ever it refuses,
// and changes nothing; else it ends their connections before the server confirms them. It does so also
// if primary has all that is in the binary log of s, and only the acknowledgement was lost: behind the
// commit that waits there may be others that are not in it yet, and would be done with it.
func (o *operation) waiting(ctx context.Context, s, primary *server) error {
	if s.facts.waiting == 0 {
		return nil
	}
	for _, c := range o.servers {
		if c.err == nil && o.source(c) == s && c.facts.sources[0].receiving == "Yes" && c.facts.sendsNow {
			return nil // it acknowledges what comes; the sooner s is read-only, the better
		}
	}
	if s.facts.patience < strictLeast || !s.facts.afterSync {
		n, err := s.end(ctx, askWaiting, "id", "commits that wait")
		if err != nil {
			return err
		}
		if n > 0 {
			o.did("%d connections were ended on %s that waited for a replica's acknowledgement: their clients got an error, not a confirmation.", n, s.Name)
		}
		return nil
	}
	written := ", or will not have it"
	if errant := s.facts.errant(primary); len(errant) > 0 {
		written = " (" + inWords(errant) + ")"
	}
	return o.refuse(Refusal{Code: "unacknowledged", Text: fmt.Sprintf(
		"Commits wait on %s for a replica's acknowledgement, and %s has not what they wrote%s. No client was told that it is kept, and none is to be. Kill that server with SIGKILL (systemctl kill --signal=SIGKILL mariadb); an orderly shutdown would finish them. Start it with read_only=1, init_rpl_role=SLAVE and rpl_semi_sync_slave_enabled=1: it drops them then. Repeat the call after that.",
		s.Name, primary.Name, written)})
}

// fenceOld makes s, an old primary, read-only, without confirming what waits there.
func (o *operation) fenceOld(ctx context.Context, s, primary *server) error {
	if err := o.waiting(ctx, s, primary); err != nil {
		return err
	}
	return s.fence(ctx, func(ctx context.Context) error {
		// It came to wait only now, and holds the server up.
		if s.ask(ctx); s.err != nil {
			return fmt.Errorf("promote: node %s: %w", s.Name, s.err)
		}
		return o.waiting(ctx, s, primary)
	})
}
