package world

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The accounts of the database servers. Each does one thing: that of the application cannot write
// where a server is read-only, nor change replication; that of promotions can, and reads no catalog;
// that of replicas may only follow. The last is the world's own, to set things up.
const (
	AppUser, AppPassword         = "remora", "app-only-in-this-world"
	PromoteUser, PromotePassword = "promote", "promote-only-in-this-world"
	FollowUser, FollowPassword   = "follow", "follow-only-in-this-world"
	bossUser, bossPassword       = "boss", "boss-only-in-this-world"
)

// Schema is the application's database.
const Schema = "remora"

// accounts are made on each server by itself, out of the stream of changes.
const accounts = `SET sql_log_bin = 0;
CREATE USER IF NOT EXISTS '` + AppUser + `'@'%' IDENTIFIED BY '` + AppPassword + `';
GRANT ALL ON ` + Schema + `.* TO '` + AppUser + `'@'%';
GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO '` + AppUser + `'@'%';
CREATE USER IF NOT EXISTS '` + PromoteUser + `'@'%' IDENTIFIED BY '` + PromotePassword + `';
GRANT SUPER, RELOAD, PROCESS, READ_ONLY ADMIN, CONNECTION ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, BINLOG MONITOR ON *.* TO '` + PromoteUser + `'@'%';
CREATE USER IF NOT EXISTS '` + FollowUser + `'@'%' IDENTIFIED BY '` + FollowPassword + `';
GRANT REPLICATION SLAVE ON *.* TO '` + FollowUser + `'@'%';
CREATE USER IF NOT EXISTS '` + bossUser + `'@'%' IDENTIFIED BY '` + bossPassword + `';
GRANT ALL ON *.* TO '` + bossUser + `'@'%' WITH GRANT OPTION;
`

// small keeps a server to a few dozen megabytes.
var small = []string{
	"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-log-buffer-size=2M",
	"--innodb-data-file-path=ibdata1:4M:autoextend", "--performance-schema=OFF", "--key-buffer-size=1M",
	"--aria-pagecache-buffer-size=1M", "--max-connections=200", "--table-open-cache=200",
	"--character-set-server=utf8mb4",
}

// SemiSyncTimeout is how long a primary of this world waits for its replica before it goes on alone. Real ones
// wait ten seconds; here nobody wants to watch that.
const SemiSyncTimeout = 2 * time.Second

// MariaDB is a database server on a machine.
type MariaDB struct {
	Machine *Machine
	world   *World
	id      int
	process *Process
	boss    *sql.DB
}

// MariaDB makes an empty database server on the machine and starts it, read-only. The id is its
// server_id, each its own.
func (w *World) MariaDB(ctx context.Context, m *Machine, id int) (*MariaDB, error) {
	d := &MariaDB{Machine: m, world: w, id: id}
	if err := d.fresh(ctx); err != nil {
		return nil, err
	}
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = bossUser, bossPassword, "tcp", m.IP+":3306"
	c.Timeout, c.ReadTimeout = 2*time.Second, 30*time.Second
	c.InterpolateParams = true
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) { return m.Dial(ctx, network, addr) }
	c.Logger = &mysql.NopLogger{} // what it would log is returned as errors as well
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	d.boss = sql.OpenDB(connector)
	d.boss.SetMaxIdleConns(1)
	d.boss.SetConnMaxIdleTime(time.Second)
	return d, d.Start(ctx)
}

// fresh gives the server a new data folder.
func (d *MariaDB) fresh(ctx context.Context) error {
	if d.world.template == "" {
		template := filepath.Join(base, "mariadb-template")
		install, err := program("mariadb-install-db")
		if err != nil {
			return err
		}
		args := append([]string{"--no-defaults", "--user=mysql", "--datadir=" + template, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"}, small...)
		if out, err := exec.CommandContext(ctx, install, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
		}
		d.world.template = template
	}
	to := d.Machine.Path("/srv/mariadb")
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	// cp keeps owners.
	if out, err := exec.CommandContext(ctx, "cp", "-a", d.world.template, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return d.Machine.Write("/srv/etc/mariadb-accounts.sql", accounts, 0o644)
}

// Start starts the server, read-only as it begins always, and waits until it takes connections.
func (d *MariaDB) Start(ctx context.Context) (err error) {
	d.process, err = d.Machine.Start("mariadb", "mariadbd", append([]string{
		"--no-defaults", "--user=mysql", "--datadir=/srv/mariadb", "--tmpdir=/srv/mariadb",
		"--socket=/srv/mariadb/sock", "--pid-file=/srv/mariadb/pid", "--bind-address=0.0.0.0", "--port=3306", "--skip-name-resolve",
		"--init-file=/srv/etc/mariadb-accounts.sql",
		fmt.Sprint("--server-id=", d.id), "--log-bin=bin", "--log-slave-updates", "--binlog-format=ROW", "--gtid-strict-mode=1",
		"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1", "--read-only=1", "--slave-net-timeout=4", "--init-rpl-role=SLAVE",
		fmt.Sprint("--rpl-semi-sync-master-timeout=", SemiSyncTimeout.Milliseconds()), "--rpl-semi-sync-master-wait-point=AFTER_SYNC", "--rpl-semi-sync-slave-enabled=1",
	}, small...)...)
	if err != nil {
		return err
	}
	return d.process.Within(ctx, 60*time.Second, "takes connections", func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		return d.boss.PingContext(ctx)
	})
}

// Process returns the server's process.
func (d *MariaDB) Process() *Process { return d.process }

// Exec runs statements as an account that may do everything, each on its own.
func (d *MariaDB) Exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := d.boss.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("on %s: %w", d.Machine.Name, err)
		}
	}
	return nil
}

// Value runs a query of one value.
func (d *MariaDB) Value(ctx context.Context, query string) (string, error) {
	var v sql.NullString
	if err := d.boss.QueryRowContext(ctx, query).Scan(&v); err != nil {
		return "", fmt.Errorf("on %s: %w", d.Machine.Name, err)
	}
	return v.String, nil
}

// Status returns a global status variable, such as Rpl_semi_sync_master_status.
func (d *MariaDB) Status(ctx context.Context, name string) (string, error) {
	var key, v string
	err := d.boss.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&key, &v)
	if err != nil {
		return "", fmt.Errorf("%s on %s: %w", name, d.Machine.Name, err)
	}
	return v, nil
}

// Primary makes the server take writes, with an empty database for the application if there is none.
func (d *MariaDB) Primary(ctx context.Context) error {
	return d.Exec(ctx, "SET GLOBAL read_only = 0", "CREATE DATABASE IF NOT EXISTS "+Schema+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
}

// ReadOnly makes the server refuse the application's writes, or take them.
func (d *MariaDB) ReadOnly(ctx context.Context, yes bool) error {
	if yes {
		return d.Exec(ctx, "SET GLOBAL read_only = 1")
	}
	return d.Exec(ctx, "SET GLOBAL read_only = 0")
}

// URL returns where the application finds the server.
func (d *MariaDB) URL() string {
	return fmt.Sprintf("mysql://%s:%s@%s:3306/%s?name=%s", AppUser, AppPassword, d.Machine.IP, Schema, d.Machine.Name)
}

// Rebuild throws the server's data away and makes it a replica of another: a dump of that one, then
// what has changed since. It is safe whatever the server held. The primary goes on meanwhile.
func (d *MariaDB) Rebuild(ctx context.Context, primary *MariaDB) error {
	if d.process != nil && !d.process.Ended() {
		d.process.Kill9()
	}
	if err := d.fresh(ctx); err != nil {
		return err
	}
	if err := d.Start(ctx); err != nil {
		return err
	}
	option := func(host string) string {
		return fmt.Sprintf("[client]\nuser=%s\npassword=%s\nhost=%s\n", bossUser, bossPassword, host)
	}
	// On the machine that gets the data, as an administrator would.
	if err := errors.Join(
		d.Machine.Write("/srv/etc/dump-from.cnf", option(primary.Machine.IP), 0o600),
		d.Machine.Write("/srv/etc/dump-to.cnf", option(d.Machine.IP), 0o600),
		d.Machine.Write("/srv/etc/copy-database.sh", copyDatabase, 0o755)); err != nil {
		return err
	}
	if _, err := d.Machine.Run(ctx, nil, "/bin/bash", "/srv/etc/copy-database.sh"); err != nil {
		return err
	}
	return d.Follow(ctx, primary)
}

// copyDatabase loads a dump with the position it stands for. Loading is no change of the replica's own.
const copyDatabase = `set -euo pipefail
{
	echo "SET sql_log_bin = 0;"
	mariadb-dump --defaults-file=/srv/etc/dump-from.cnf --single-transaction --gtid --master-data=1 --databases ` + Schema + ` |
		sed '/^CHANGE MASTER TO/d'
} | mariadb --defaults-file=/srv/etc/dump-to.cnf
`

// Follow makes the server a replica of primary, from where it is.
func (d *MariaDB) Follow(ctx context.Context, primary *MariaDB) error {
	return d.Exec(ctx, "STOP SLAVE", fmt.Sprintf(
		"CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=3306, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos",
		primary.Machine.IP, FollowUser, FollowPassword), "SET GLOBAL rpl_semi_sync_slave_enabled = 1", "START SLAVE")
}

// Delay makes the server, a replica, apply everything that much later than the primary; 0 ends that. The primary is
// without its replica for a moment.
func (d *MariaDB) Delay(ctx context.Context, by time.Duration) error {
	return d.Exec(ctx, "STOP SLAVE", fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY=%d", int(by.Seconds())), "START SLAVE")
}

// Behind says whether the server has yet to apply something that the primary has now.
func (d *MariaDB) Behind(ctx context.Context, primary *MariaDB) (bool, error) {
	position, err := primary.Value(ctx, "SELECT @@global.gtid_binlog_pos")
	if err != nil {
		return false, err
	}
	got, err := d.Value(ctx, fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 0.001)", position))
	return got != "0", err
}

// CatchUp waits until the server has applied everything the primary has now.
func (d *MariaDB) CatchUp(ctx context.Context, primary *MariaDB, within time.Duration) error {
	position, err := primary.Value(ctx, "SELECT @@global.gtid_binlog_pos")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		got, err := d.Value(ctx, fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 2)", position))
		if err == nil && got == "0" {
			return nil
		}
		if ctx.Err() != nil {
			state, stateErr := d.ReplicaState(context.WithoutCancel(ctx))
			return errors.Join(fmt.Errorf("%s has not caught up with %s at %s within %v: %s", d.Machine.Name, primary.Machine.Name, position, within, state), err, stateErr)
		}
	}
}

// ReplicaState says in a line how replication goes.
func (d *MariaDB) ReplicaState(ctx context.Context) (string, error) {
	rows, err := d.boss.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	if !rows.Next() {
		return "not a replica", rows.Err()
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return "", err
	}
	var line []string
	for i, c := range columns {
		switch c {
		case "Slave_IO_Running", "Slave_SQL_Running", "Last_IO_Error", "Last_SQL_Error", "Seconds_Behind_Master", "Gtid_IO_Pos":
			line = append(line, c+": "+values[i].String)
		}
	}
	return strings.Join(line, ", "), rows.Err()
}

// SemiSync makes the primary wait for a replica before it says that something is written, and waits
// itself until one is there. To be called when one follows.
func (d *MariaDB) SemiSync(ctx context.Context) error {
	if err := d.Exec(ctx, "SET GLOBAL rpl_semi_sync_master_enabled = 1"); err != nil {
		return err
	}
	return d.SemiSynced(ctx, 30*time.Second)
}

// SemiSynced waits until writes are on a second server before they are acknowledged.
func (d *MariaDB) SemiSynced(ctx context.Context, within time.Duration) error {
	return d.process.Within(ctx, within, "has its writes confirmed by a replica", func() error {
		v, err := d.Status(ctx, "Rpl_semi_sync_master_status")
		if err == nil && v != "ON" {
			err = errors.New("Rpl_semi_sync_master_status is " + v)
		}
		if err != nil {
			return err
		}
		if v, err = d.Status(ctx, "Rpl_semi_sync_master_clients"); err == nil && v == "0" {
			err = errors.New("no replica confirms")
		}
		return err
	})
}

// Kill9 kills the server without warning.
func (d *MariaDB) Kill9() { d.process.Kill9() }

// Close forgets connections; the process is the machine's to end.
func (d *MariaDB) Close() error { return d.boss.Close() }
