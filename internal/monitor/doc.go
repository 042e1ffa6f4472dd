// Package monitor watches an installation: it runs checks, says what is wrong and what to do next,
// and keeps the file by which keepalived learns whether this machine may hold the shared address.
// It knows databases, stores and balancers only as the functions that its callers pass to it.
//
// # What it guarantees
//
//   - A check has at most one call under way. One that does not return within its time-out is
//     Unknown, and is not called again until it has returned; the others go on undisturbed.
//   - One lost probe is no alarm: a level changes after Fall findings in a row that are worse than
//     it, or Rise that are better. Each change of a level is logged once.
//   - When no check of another machine gets an answer, the report says first that this machine may
//     be the one that is cut off.
//   - What a check brings from elsewhere is cut to a length and freed of control characters before
//     it comes into a log, a terminal or a page.
//   - Memory and goroutines are bounded by the number of checks, which is at most [MaxChecks].
//
// # The track file
//
// keepalived reads a number from a track_file and, with weight 0, takes the machine out of the
// election while it is not 0. The file says "0" while the local balancer answers and "1" otherwise.
// It is replaced by renaming, so that keepalived never reads half of it; keepalived 2.2 acts on that
// as quickly as on a write. It keeps what it read last when the file is deleted, so a deleted file is
// written again at the next look.
//
// When a monitor starts, it goes on with what the file says, so that a restart of the monitor alone
// does not move the address to here before the balancer has proved itself. When it ends, it writes
// "1": nobody would take back a "0" that nobody watches.
package monitor
