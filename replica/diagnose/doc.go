// Package diagnose explains what is wrong with a MariaDB cluster: it asks all servers, changes
// nothing, and says in plain words what it found, what that means and what to do, with the
// statements to run where some would mend it.
//
// # What it looks at
//
//   - Roles: no primary, or two; a server that takes part in nothing; numbers of servers that are taken
//     twice; read_only that is off where it must be on, or that a restart would switch off.
//   - Replication: threads that stopped and why, histories that parted, filters, positions that are no
//     GTIDs, apply threads and what waits for them.
//   - Semi-sync: off, without anybody who confirms, given up, on the wrong side, with a time-out that
//     does not fit the mode. A status of ON alone says nothing: it is ON as well while nobody is there.
//   - Settings of the binary log and of durability, versions, Galera, clocks.
//   - Accounts: one of an application for which read_only is no barrier, or which may not see
//     replication; what the accounts of a promoter and of replicas lack.
//
// # What it needs
//
// The account of each [Node] needs the privilege SLAVE MONITOR, and no other; that it lacks it is a
// finding. BINLOG MONITOR lets it see filters of the binary log too. It is judged as the account of
// an application, unless [Config].Admin is set.
//
// # What to keep in mind
//
// A server says what it does now, not what its settings file holds: a value that somebody set by hand
// cannot be told from one that is in the file too. Whether the contents of two servers are equal is
// another question; pt-table-checksum answers it.
package diagnose
