// Package heartbeat writes down on the primary of a cluster what time it is, again and again. What a
// replica has of that tells how late it is to parts of a second, and goes on telling it while nothing
// else is written: servers themselves count whole seconds, of what they received.
//
// The table is that of pt-heartbeat, of the Percona Toolkit, which reads what this package writes
// (pt-heartbeat --utc --check) and may write in its place (--utc --update). The router of package
// replica reads both (its Config.Heartbeat).
//
// A writer may run beside each program that uses the cluster, so that none of them has to be there: who
// finds a row that is fresh leaves it as it is, and nothing is then replicated. The time is that of the primary,
// in UTC, not that of the machine of the writer, so that several writers agree. pt-heartbeat takes its
// own machine's: let it run on the primary, or alone.
//
// A heartbeat is a transaction, with a place in the stream of changes. It is written without the
// session of anybody, and so in no token of one. It takes some 450 bytes of the binary log, 75 MB a day
// at two a second: let the primary drop old logs (expire_logs_days). Where a primary waits for replicas, a heartbeat
// waits too; where a primary is cut off and does not wait, it goes on writing heartbeats that nobody else
// will have, and has to be thrown away before it can be a replica again, as after any other write.
package heartbeat
