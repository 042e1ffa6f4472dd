package diagnose

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Time-outs of semi-sync: in mode strict a write waits for this long at least, otherwise at most.
const (
	strictWait    = time.Hour
	availableWait = time.Minute
)

// semiSync looks at how a server waits for copies, or confirms them
// (https://mariadb.com/kb/en/semisynchronous-replication/). A primary has what a replica needs as
// well, and the other way round but for one: a replica does not wait itself.
func (c *cluster) semiSync(s *server) {
	worse := Warn
	if c.Strict {
		worse = Bad
	}
	waits, status := s.on("rpl_semi_sync_master_enabled"), s.semi["rpl_semi_sync_master_status"] == "ON"
	clients := s.semi["rpl_semi_sync_master_clients"]
	const copies = "Check that replicas run and have rpl_semi_sync_slave_enabled=ON; see the findings about them."
	switch {
	case s.role() == "primary" && !waits:
		c.add(Bad, s, "semi_sync_off", "Writes do not wait for a copy: what was acknowledged last is lost with this machine.", "Do it when a replica confirms (rpl_semi_sync_slave_enabled there).", "SET GLOBAL rpl_semi_sync_master_enabled = ON")
	case s.role() == "primary" && !status:
		c.add(worse, s, "semi_sync_degraded", "It has given up waiting: new writes are in one copy only.", copies)
	case s.role() == "primary" && clients == "0":
		c.add(worse, s, "semi_sync_no_client", "Semi-sync says ON, but no replica confirms writes: the next one waits in vain.", copies)
	case s.role() != "primary" && waits && status && clients == "0":
		c.add(worse, s, "semi_sync_wrong_side", fmt.Sprintf("It is a replica and waits for replicas of its own, which it has not: it applies the next change after %s only.", waitOf(s)),
			"And take rpl_semi_sync_master_enabled out of its settings: a promotion switches it on.", "SET GLOBAL rpl_semi_sync_master_enabled = OFF")
	}
	if confirms := s.on("rpl_semi_sync_slave_enabled"); !confirms {
		level, text := worse, "Once it is a replica, it confirms no writes."
		if s.role() != "primary" {
			level, text = Bad, "It confirms no writes: the primary does not know that it has a copy."
		}
		c.add(level, s, "semi_sync_slave_off", text, file("rpl_semi_sync_slave_enabled=ON"), append([]string{"SET GLOBAL rpl_semi_sync_slave_enabled = ON"}, s.reconnect()...)...)
	} else if p := c.primary; p != nil && p != s && p.on("rpl_semi_sync_master_enabled") && s.semi["rpl_semi_sync_slave_status"] != "ON" && s.follows(p) {
		c.add(Warn, s, "semi_sync_not_confirming", "It could confirm writes and does not, as it connected before that was switched on.", "", s.reconnect()...)
	}
	if v := s.variables["rpl_semi_sync_master_wait_point"]; !strings.EqualFold(v, "AFTER_SYNC") {
		c.add(Warn, s, "semi_sync_wait_point", "rpl_semi_sync_master_wait_point is "+v+": others see a write before there is a copy of it.", file("rpl_semi_sync_master_wait_point=AFTER_SYNC"), "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC")
	}
	switch wait := waitOf(s); {
	case c.Strict && wait < strictWait:
		c.add(Bad, s, "semi_sync_timeout", fmt.Sprintf("rpl_semi_sync_master_timeout is %s: in mode strict writes wait for a copy, for an hour at least. A primary that is cut off would go on alone.", wait),
			file("rpl_semi_sync_master_timeout=3600000"), "SET GLOBAL rpl_semi_sync_master_timeout = 3600000")
	case !c.Strict && (wait > availableWait || wait <= 0):
		c.add(Warn, s, "semi_sync_timeout", fmt.Sprintf("rpl_semi_sync_master_timeout is %s: when the replica is away, the first write waits that long.", wait),
			file("rpl_semi_sync_master_timeout=10000"), "SET GLOBAL rpl_semi_sync_master_timeout = 10000")
	}
	if !s.on("rpl_semi_sync_master_wait_no_slave") {
		c.add(worse, s, "semi_sync_wait_no_slave", "rpl_semi_sync_master_wait_no_slave is off: from the first moment without a replica, writes go on in one copy.", file("rpl_semi_sync_master_wait_no_slave=ON"), "SET GLOBAL rpl_semi_sync_master_wait_no_slave = ON")
	}
}

// waitOf is the time-out of semi-sync; a value that cannot be read is none.
func waitOf(s *server) time.Duration {
	ms, err := strconv.ParseInt(s.variables["rpl_semi_sync_master_timeout"], 10, 63)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(min(ms, int64(100*365*24*time.Hour/time.Millisecond))) * time.Millisecond
}

// reconnect are the statements that have a replica say anew that it confirms. They leave the part
// that applies alone: with both stopped, MariaDB throws away what it has received.
func (s *server) reconnect() (sql []string) {
	for _, src := range s.sources {
		sql = append(sql, src.command("STOP SLAVE", "IO_THREAD"), src.command("START SLAVE", "IO_THREAD"))
	}
	return sql
}
