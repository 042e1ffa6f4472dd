// Package promote makes a replica of a MariaDB cluster the primary, when it is told to: in a
// planned way, while the old primary still answers, or after it was lost. It decides nothing by
// itself and keeps no state: everything it knows it asks the servers at each call. Package failover
// tells it to without a person. Programs that use package replica follow a promotion without being told.
//
// # What it guarantees
//
//   - At no step does it let two servers take writes that it can see. The old primary is read-only,
//     and the new one has all that the old one wrote, before the new one takes writes.
//   - After a loss, the new primary has applied everything it had received (its relay log) before it
//     takes writes, and has got from another replica that answers what only that one had received.
//   - What it cannot know to be safe it refuses, as a [Refusal] that says why and what to do. Some
//     refusals can be overridden by [Options].Force; the [Report] then says what may be lost.
//   - Each call may be repeated. Interrupted anywhere, also by kill -9, the same call run again
//     finishes the work. A call that fails before the new primary takes writes undoes what it did
//     to the old one, as far as that still answers.
//   - Every wait has an end: [Config].Timeout bounds one statement, [Config].Wait one wait for servers.
//
// # Modes
//
// [Promoter.Prepare] puts the servers into a [Mode]. In mode [Strict] a primary acknowledges nothing that
// no replica has, however long that takes, and the loss of one server of three loses nothing that was
// acknowledged. That a replica acknowledges is tried, with a transaction that changes nothing
// (FLUSH USER_RESOURCES), before the waiting becomes endless.
//
// # Who may act
//
// A call that changes servers holds an advisory lock on each that answers, and the votes of the
// [Voter]s. A server takes a lock away from a holder that was silent for 10 s. What makes a server take
// writes runs on the connection that holds its lock, so that a process that stood still meanwhile finds
// that it lost the right to. With [Options].Automatic a majority has to agree just before.
//
// # What it needs
//
// An account of its own with the privileges READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION
// MASTER ADMIN, SLAVE MONITOR, CONNECTION ADMIN, PROCESS and RELOAD on every server; they are
// looked up before anything is done. The account of an application must have none of them but
// SLAVE MONITOR, as read_only would not stop it.
//
// Servers run with log_bin, log_slave_updates and gtid_strict_mode=ON, and with read_only=1 in
// their settings file, so that a server that was the primary comes back without taking writes.
//
// # What to keep in mind
//
// A primary that does not answer may still be there for others. Promoting a replica then makes two
// primaries that do not see each other: cut the old one off first. It is refused while a replica
// still receives from the old primary; a replica notices its silence after slave_net_timeout.
//
// Replicas tell whether they acknowledged what they received (semi-sync) when the primary was lost,
// but not whether the primary had given up waiting for them before: only its own
// Rpl_semi_sync_master_status said that. [Report].Acknowledged puts it in words.
//
// MariaDB throws a relay log away when replication by GTID is started while both of its threads are
// stopped, and fetches it again. So a replica is never restarted in this way while the primary is
// lost: its relay log may have the only copy of an acknowledged write.
//
// An old primary that comes back has to join by [Promoter.Rejoin], and what it wrote last is on no other
// server perhaps. Started with init_rpl_role=SLAVE and rpl_semi_sync_slave_enabled=1 after a crash, it
// drops what nobody acknowledged, and joins. One that was frozen or cut off, and is back alive, may
// have clients that still wait for an acknowledgement. Switching semi-sync off there would confirm their
// writes, and an orderly shutdown would finish them; so nothing of the kind is done. That server is to be
// killed, and Rejoin says how.
//
// Of a replica that is pointed to the new primary, other settings of its connection (delay, filters,
// and TLS unless [Config].ReplicationTLS says how) stay as they were. An old primary has none: it
// connects with MariaDB's defaults. Both try again every 10 s when they cannot connect.
package promote
