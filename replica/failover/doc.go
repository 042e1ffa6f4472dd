// Package failover watches a MariaDB cluster and, where it was told to and can prove that nothing is
// lost by it, makes a replica the primary when the primary is gone. It is for one process on each of
// several machines, mostly the monitor of a site; programs that use package replica follow by
// themselves. What is done to servers, package promote does.
//
// # When it acts by itself
//
// Only in mode strict, with at least three database servers, and only when all of this is so at once:
//
//   - The primary, which this guard has seen, has not answered several times in a row, or it was started
//     anew and takes no writes, as after a crash. One that somebody made read-only is left alone.
//   - It was seen before, less than an hour ago, to wait for the acknowledgement of a replica without
//     giving up, with a replica that acknowledged.
//   - All other servers answer, and none receives from the primary any more: whoever has lost only the
//     guard's own way to a primary that is well does not depose it. A primary that stands still or is
//     cut off without a word is noticed by its replicas after 4 s.
//   - A majority of the voters, which are the servers and processes that lend theirs ([Vote]), agrees, at the moment when the new primary begins to take writes. In a
//     cut network only one side can have it.
//   - There was no failover in the last 10 minutes, and there is no file no-failover.
//
// Otherwise it says in [Status].Held what is missing, and a person decides.
//
// # What it does not do
//
// It does not switch while the primary answers, however slowly; it does not stop or change an old
// primary that comes back taking writes, it raises an alarm; it rebuilds nothing.
package failover
