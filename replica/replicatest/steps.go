package replicatest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"time"
)

func (s *Server) exec(ctx context.Context, statements ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, q := range statements {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

func (s *Server) text(ctx context.Context, query string) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.db.QueryRowContext(ctx, query).Scan(&text); err != nil {
		return "", fmt.Errorf("%s: %w", query, err)
	}
	return text, nil
}

// Exec runs statements with all privileges.
func (s *Server) Exec(statements ...string) {
	s.judge.Helper()
	s.do(func(ctx context.Context) error { return s.exec(ctx, statements...) })
}

// Text returns the one value that query gives, with all privileges.
func (s *Server) Text(query string) (text string) {
	s.judge.Helper()
	s.do(func(ctx context.Context) (err error) {
		text, err = s.text(ctx, query)
		return err
	})
	return text
}

// Follow makes the server a replica of another that applies everything delay later, in whole
// seconds.
func (s *Server) Follow(primary *Server, delay time.Duration) {
	s.judge.Helper()
	s.do(func(ctx context.Context) error { return s.follow(ctx, primary, delay) })
}

func (s *Server) follow(ctx context.Context, primary *Server, delay time.Duration) error {
	host, port, err := net.SplitHostPort(primary.Address())
	if err != nil {
		return err
	}
	return s.exec(ctx, "SET GLOBAL read_only = 1", "STOP SLAVE", fmt.Sprintf(
		"CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %s, MASTER_USER = '%s', MASTER_PASSWORD = '%s', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_DELAY = %d",
		host, port, admin, password, int(delay/time.Second)), "START SLAVE")
}

// Delay has a replica apply everything that much later, in whole seconds. It fetches again what it had
// not applied.
func (s *Server) Delay(delay time.Duration) {
	s.judge.Helper()
	s.Exec("STOP SLAVE", fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY = %d", int(delay/time.Second)), "START SLAVE")
}

// CatchUp waits until the server has applied what primary has written so far.
func (s *Server) CatchUp(primary *Server) {
	s.judge.Helper()
	s.do(func(ctx context.Context) error { return s.catchUp(ctx, primary) })
}

func (s *Server) catchUp(ctx context.Context, primary *Server) error {
	at, err := primary.text(ctx, "SELECT @@gtid_binlog_pos")
	if err != nil {
		return err
	}
	got, err := s.text(ctx, fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 30)", at))
	if err == nil && got != "0" {
		err = fmt.Errorf("it has not applied %s in 30 seconds", at)
	}
	return err
}

// Promote makes a replica a primary, as an operator would in a hurry: nothing is looked at. Package
// promote does it with care.
func (s *Server) Promote() {
	s.judge.Helper()
	s.Exec("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")
}

// SemiSync has the server, a primary, wait up to wait for one of its replicas with each write, also
// while none is connected, and before others can read what is written. It returns when all replicas
// that are named acknowledge. With a wait of 0 nobody waits and nobody acknowledges any more.
func (s *Server) SemiSync(wait time.Duration, replicas ...*Server) {
	s.judge.Helper()
	s.do(func(ctx context.Context) error { return s.semiSync(ctx, wait, replicas) })
}

func (s *Server) semiSync(ctx context.Context, wait time.Duration, replicas []*Server) error {
	on := 1
	if wait <= 0 {
		on = 0
		if err := s.exec(ctx, "SET GLOBAL rpl_semi_sync_master_enabled = 0"); err != nil {
			return err
		}
	}
	for _, r := range replicas {
		// A replica says whether it acknowledges when it connects.
		if err := r.exec(ctx, fmt.Sprint("SET GLOBAL rpl_semi_sync_slave_enabled = ", on), "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"); err != nil {
			return err
		}
	}
	if on == 0 {
		return nil
	}
	if err := s.exec(ctx, fmt.Sprintf("SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC, GLOBAL rpl_semi_sync_master_wait_no_slave = 1, GLOBAL rpl_semi_sync_master_timeout = %d", wait.Milliseconds()),
		"SET GLOBAL rpl_semi_sync_master_enabled = 1"); err != nil {
		return err
	}
	// A client is counted from the moment on from which its acknowledgement counts.
	return s.await(ctx, "all replicas acknowledge", func(ctx context.Context) (bool, error) {
		clients, err := s.status(ctx, "Rpl_semi_sync_master_clients")
		return clients == fmt.Sprint(len(replicas)), err
	})
}

// await asks until the answer is yes.
func (s *Server) await(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ok(ctx); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not come about in %s that %s", patience, what)
		}
	}
}

// Status returns a status variable, such as "Rpl_semi_sync_master_status"; "" when there is none of
// that name.
func (s *Server) Status(name string) (value string) {
	s.judge.Helper()
	s.do(func(ctx context.Context) (err error) {
		value, err = s.status(ctx, name)
		return err
	})
	return value
}

func (s *Server) status(ctx context.Context, name string) (string, error) {
	return s.text(ctx, "SELECT COALESCE((SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = '"+name+"'), '')")
}

// ReplicaStatus returns what SHOW REPLICA STATUS says, by the names of its columns, such as
// "Slave_IO_Running"; NULL is "". It is nil on a server that replicates from nobody.
func (s *Server) ReplicaStatus() (status map[string]string) {
	s.judge.Helper()
	s.do(func(ctx context.Context) (err error) {
		status, err = s.replicaStatus(ctx)
		return err
	})
	return status
}

func (s *Server) replicaStatus(ctx context.Context) (status map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, "SHOW REPLICA STATUS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, rows.Err()
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	status = make(map[string]string, len(names))
	for i, name := range names {
		status[name] = values[i].String
	}
	return status, rows.Err()
}

// Positions are GTIDs, as MariaDB writes them.
type Positions struct {
	Logged   string // the last in the server's own binary log
	Applied  string // the last that was applied from a primary
	Received string // the last that a replica received; "" elsewhere
}

// Positions returns how far the server is.
func (s *Server) Positions() (p Positions) {
	s.judge.Helper()
	s.do(func(ctx context.Context) (err error) {
		status, err := s.replicaStatus(ctx)
		if err != nil {
			return err
		}
		p.Received = status["Gtid_IO_Pos"]
		if p.Applied, err = s.text(ctx, "SELECT @@gtid_slave_pos"); err != nil {
			return err
		}
		p.Logged, err = s.text(ctx, "SELECT @@gtid_binlog_pos")
		return err
	})
	return p
}

// Checksum returns a sum over the rows of a table, such as "app.activities": equal sums on two
// servers mean equal tables.
func (s *Server) Checksum(table string) (sum string) {
	s.judge.Helper()
	s.do(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		var name string
		var got sql.NullString
		if err := s.db.QueryRowContext(ctx, "CHECKSUM TABLE "+table+" EXTENDED").Scan(&name, &got); err != nil {
			return err
		}
		if !got.Valid {
			return fmt.Errorf("there is no table %s", table)
		}
		sum = got.String
		return nil
	})
	return sum
}
