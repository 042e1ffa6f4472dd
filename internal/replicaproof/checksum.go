package replicaproof

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// checksum has pt-table-checksum compare the copies. It is skipped where that is not installed.
func (f *findings) checksum(ctx context.Context, r *round, primary *server) error {
	tool, err := exec.LookPath("pt-table-checksum")
	if err != nil {
		if require.Strict() {
			return fmt.Errorf("%w (and %s=1 forbids skipping)", err, require.Env)
		}
		r.note("pt-table-checksum is not installed, and was left out")
		return nil
	}
	if err := primary.exec("CREATE DATABASE IF NOT EXISTS percona",
		"CREATE TABLE percona.dsns (id INT PRIMARY KEY AUTO_INCREMENT, parent_id INT, dsn VARCHAR(255) NOT NULL)"); err != nil {
		return err
	}
	for _, s := range r.cluster {
		if s == primary {
			continue
		}
		dsn, err := percona(s)
		if err != nil {
			return err
		}
		if err := primary.exec("INSERT INTO percona.dsns (dsn) VALUES ('" + dsn + "')"); err != nil {
			return err
		}
	}
	for _, s := range r.cluster {
		if s != primary {
			if err := s.catchUp(primary); err != nil {
				return err
			}
		}
	}
	dsn, err := percona(primary)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "--databases="+replicatest.Schema, "--no-check-binlog-format", "--no-version-check", "--no-check-replication-filters",
		"--recursion-method=dsn="+dsn+",D=percona,t=dsns", dsn)
	out, err := cmd.CombinedOutput()
	diffs, tables := parseChecksums(string(out))
	if tables != len(r.cluster.tables()) {
		return fmt.Errorf("pt-table-checksum compared %d tables of %d: %w\n%s", tables, len(r.cluster.tables()), err, out)
	}
	for table, n := range diffs {
		if n != 0 {
			f.add(EqualCopies, "pt-table-checksum finds %d differences in %s", n, table)
		}
	}
	return nil
}

// percona writes the address of a server as Percona's tools read it.
func percona(s *server) (string, error) {
	c, err := mysql.ParseDSN(s.AdminDSN())
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(c.Addr)
	return fmt.Sprintf("h=%s,P=%s,u=%s,p=%s", host, port, c.User, c.Passwd), err
}

func (cluster) tables() []string { return []string{"app.tokens", "app.registers", markers} }

// parseChecksums reads the table that pt-table-checksum prints: TS ERRORS DIFFS ROWS … TABLE.
func parseChecksums(out string) (diffs map[string]int, tables int) {
	diffs = make(map[string]int)
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 8 || !strings.HasPrefix(words[len(words)-1], replicatest.Schema+".") {
			continue
		}
		errors, err1 := strconv.Atoi(words[1])
		n, err2 := strconv.Atoi(words[2])
		if err1 != nil || err2 != nil {
			continue
		}
		diffs[words[len(words)-1]] = n + errors
		tables++
	}
	return diffs, tables
}
