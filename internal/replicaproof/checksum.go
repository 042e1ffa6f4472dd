package replicaproof

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// checksum has pt-table-checksum compare the copies. It is skipped where that is not installed.
func (f *findings) checksum(ctx context.Context, tb testing.TB, c cluster, primary *server) error {
	tool, err := exec.LookPath("pt-table-checksum")
	if err != nil {
		if require.Strict() {
			return fmt.Errorf("%w (and %s=1 forbids skipping)", err, require.Env)
		}
		tb.Log("pt-table-checksum is not installed, and was left out")
		return nil
	}
	if err := primary.exec(ctx, "CREATE DATABASE IF NOT EXISTS percona",
		"CREATE TABLE percona.dsns (id INT PRIMARY KEY AUTO_INCREMENT, parent_id INT, dsn VARCHAR(255) NOT NULL)"); err != nil {
		return err
	}
	replicas := 0
	for _, s := range c {
		if s == primary {
			continue
		}
		host, port, err := net.SplitHostPort(s.past())
		if err != nil {
			return err
		}
		if err := primary.exec(ctx, fmt.Sprintf("INSERT INTO percona.dsns (dsn) VALUES ('h=%s,P=%s,u=%s,p=%s')", host, port, boss, password)); err != nil {
			return err
		}
		replicas++
	}
	for _, s := range c {
		if s != primary {
			if err := s.catchUp(ctx, primary); err != nil {
				return err
			}
		}
	}
	host, port, err := net.SplitHostPort(primary.past())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "--databases="+schema, "--no-check-binlog-format", "--no-version-check", "--no-check-replication-filters",
		fmt.Sprintf("--recursion-method=dsn=h=%s,P=%s,u=%s,p=%s,D=percona,t=dsns", host, port, boss, password),
		fmt.Sprintf("h=%s,P=%s,u=%s,p=%s", host, port, boss, password))
	out, err := cmd.CombinedOutput()
	diffs, tables := parseChecksums(string(out))
	if tables != len(c.tables()) {
		return fmt.Errorf("pt-table-checksum compared %d tables of %d: %w\n%s", tables, len(c.tables()), err, out)
	}
	for table, n := range diffs {
		if n != 0 {
			f.add(EqualCopies, "pt-table-checksum finds %d differences in %s", n, table)
		}
	}
	return nil
}

func (cluster) tables() []string { return []string{"app.tokens", "app.registers"} }

// parseChecksums reads the table that pt-table-checksum prints: TS ERRORS DIFFS ROWS … TABLE.
func parseChecksums(out string) (diffs map[string]int, tables int) {
	diffs = make(map[string]int)
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 8 || !strings.HasPrefix(words[len(words)-1], schema+".") {
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
