package diagnose

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// maxBacklog is how many transactions may wait to be applied.
const maxBacklog = 1000

// follows reports whether s replicates from p, by its number.
func (s *server) follows(p *server) bool {
	for _, src := range s.sources {
		if src.id == p.variables["server_id"] {
			return true
		}
	}
	return false
}

// replication looks at what a replica does with each server it follows.
func (c *cluster) replication(s *server) {
	if len(s.sources) == 0 {
		return
	}
	if len(s.sources) > 1 {
		c.add(Bad, s, "several_sources", fmt.Sprintf("It replicates from %d servers; no promotion can tell what it holds.", len(s.sources)), "Keep one: STOP SLAVE 'name'; RESET SLAVE 'name' ALL; for the others")
	}
	threads := s.variables["slave_parallel_threads"]
	if threads == "0" {
		c.add(Warn, s, "apply_threads", "It applies changes one after the other (slave_parallel_threads=0), several times slower than the primary can write them.",
			file("slave_parallel_threads=8 and slave_parallel_mode=optimistic"), s.setApply("SET GLOBAL slave_parallel_threads = 8", "SET GLOBAL slave_parallel_mode = 'optimistic'")...)
	}
	for _, src := range s.sources {
		c.threads(s, src)
		switch {
		case src.id == "0" || src.id == "" || c.primary == nil || src.id == c.primary.variables["server_id"]:
		case c.byID(src.id) == nil:
			c.add(Bad, s, "follows_unknown", fmt.Sprintf("It follows %s:%s, which is none of the servers named here.", src.host, src.port), "Name all servers, or have it follow "+c.primary.Name+" (rejoin).")
		case c.byID(src.id).role() == "idle":
			c.add(Bad, s, "follows_other", fmt.Sprintf("It follows %s, which is not the primary and follows nobody.", c.byID(src.id).Name), "Have it follow "+c.primary.Name+" (rejoin).")
		default:
			c.add(Note, s, "follows_replica", "It follows "+c.byID(src.id).Name+", which is not the primary.", "")
		}
		switch src.usesGTID {
		case "No":
			c.add(Bad, s, "not_by_gtid", "It follows by file and offset, not by GTID: after a promotion it cannot follow another server.", "",
				src.command("STOP SLAVE", ""), src.change("MASTER_USE_GTID = slave_pos"), src.command("START SLAVE", ""))
		case "Current_Pos":
			c.add(Warn, s, "gtid_current_pos", "It follows by current_pos, which counts writes of its own: one that the primary has not breaks replication.", "",
				src.command("STOP SLAVE", ""), src.change("MASTER_USE_GTID = slave_pos"), src.command("START SLAVE", ""))
		}
		if len(src.filters) > 0 {
			c.add(Bad, s, "filters", "It leaves something out ("+strings.Join(src.filters, ", ")+"): it does not hold what the primary holds.",
				"On "+s.Name+", take it out of the settings, and copy the data anew")
		}
		if src.delay != "0" && src.delay != "" {
			c.add(Note, s, "delayed", "It is told to apply changes "+src.delay+" s late.", "")
		}
		if n := s.applied.behind(src.received); n > maxBacklog && src.applies == "Yes" {
			next := "Wait for it. If it grows: more of slave_parallel_threads, and SHOW PROCESSLIST to see what holds it up."
			if threads == "0" {
				next = "Set slave_parallel_threads first."
			}
			c.add(Warn, s, "apply_backlog", fmt.Sprintf("It has received more than %d transactions that it has not applied: a promotion would have to wait for them.", maxBacklog), next)
		}
	}
}

// change is a CHANGE MASTER of this connection.
func (s source) change(what string) string { return s.command("CHANGE MASTER", "TO "+what) }

// setApply are the statements that change how s applies. The part that receives goes on.
func (s *server) setApply(set ...string) (sql []string) {
	for _, src := range s.sources {
		sql = append(sql, src.command("STOP SLAVE", "SQL_THREAD"))
	}
	sql = append(sql, set...)
	for _, src := range s.sources {
		if src.applies == "Yes" {
			sql = append(sql, src.command("START SLAVE", "SQL_THREAD"))
		}
	}
	return sql
}

func (c *cluster) byID(id string) *server {
	for _, s := range c.servers {
		if s.answers() && s.variables["server_id"] == id {
			return s
		}
	}
	return nil
}

// Errors of replication that have a remedy of their own, by number.
var (
	applyAdvice = map[string]string{
		"1032": "The row is not there: the contents have parted. Copy the data anew; leaving the change out would hide it.",
		"1062": "The row is there already: the contents have parted. Copy the data anew; leaving the change out would hide it.",
		"1950": "Something was written here that the primary has not. Copy the data anew, and find out who wrote.",
		"1205": "A lock held it up too often: SHOW PROCESSLIST; then START SLAVE SQL_THREAD",
		"1213": "A lock held it up too often: SHOW PROCESSLIST; then START SLAVE SQL_THREAD",
	}
	receiveAdvice = map[string]string{
		"1045": "The account of replication or its password is wrong: CHANGE MASTER TO MASTER_USER = '…', MASTER_PASSWORD = '…'; and check the account's host part on the primary",
		"1130": "The account of replication may not connect from this host: correct its host part on the primary",
		"1236": "What it needs is not in the primary's binary log, or it has what the primary has not. Copy the data anew.",
		"1593": "Both have the same server_id: give it a number of its own",
		"1597": "The account of replication lacks a privilege: on the primary, GRANT REPLICATION SLAVE ON *.* TO it",
		"1227": "The account of replication lacks a privilege: on the primary, GRANT REPLICATION SLAVE ON *.* TO it",
		"2003": "The primary is away, or another address: check the network and SHOW SLAVE STATUS",
		"2005": "The name of the primary is not known there: check MASTER_HOST",
		"2026": "Encryption failed: check MASTER_SSL and the certificates",
	}
)

// threads looks at both parts of a replica.
func (c *cluster) threads(s *server, src source) {
	if src.applies != "Yes" {
		if src.applyNo == "0" || src.applyNo == "" {
			c.add(Bad, s, "apply_stopped", "It applies no changes: that part was stopped.", "", src.command("START SLAVE", "SQL_THREAD"))
		} else {
			next := applyAdvice[src.applyNo]
			if next == "" {
				next = "Mend the cause, then START SLAVE SQL_THREAD"
			}
			c.add(Bad, s, "apply_failed", "It applies no changes: error "+src.applyNo+": "+src.applyErr, "On "+s.Name+": "+next)
		}
	}
	level := Bad
	if c.primary == nil {
		level = Note // who waits for a primary is not the fault
	}
	switch failed := src.receiveNo != "0" && src.receiveNo != ""; {
	case src.receives == "Yes":
	case failed:
		next := receiveAdvice[src.receiveNo]
		if next == "" {
			next = "Mend the cause, then START SLAVE IO_THREAD"
		}
		c.add(level, s, "receive_failed", "It receives no changes: error "+src.receiveNo+": "+src.receiveErr, "On "+s.Name+": "+next)
	case src.receives == "No":
		c.add(level, s, "receive_stopped", "It receives no changes: that part was stopped.", "", src.command("START SLAVE", "IO_THREAD"))
	default:
		c.add(Warn, s, "receive_connecting", fmt.Sprintf("It is about to connect to %s:%s.", src.host, src.port), "Repeat the diagnosis; if it stays so: check the network and the address.")
	}
}

// parted looks for what a server has and the primary has not.
func (c *cluster) parted(s *server) {
	if c.primary == nil || s == c.primary {
		return
	}
	missing, ahead := c.primary.history.lacks(s.history)
	// A number that the primary is past, on a replica that goes on in strict mode, is of a time before
	// the primary's memory: it was made from a copy.
	goesOn := (len(s.sources) > 0 || s.blind) && s.on("gtid_strict_mode")
	for _, src := range s.sources {
		goesOn = goesOn && src.receives == "Yes" && src.applies == "Yes"
	}
	if len(missing) == 0 || !ahead && goesOn {
		return
	}
	c.add(Bad, s, "diverged", fmt.Sprintf("It has transactions that %s has not, up to %s: their histories have parted, and it cannot follow.", c.primary.Name, strings.Join(missing, ",")),
		"Look at them while they are there: mariadb-binlog of its binary log. Then copy the data anew from "+c.primary.Name+".")
}

// number is that of an error of a server; 0: it is another error.
func number(err error) uint16 {
	if answered, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return answered.Number
	}
	return 0
}
