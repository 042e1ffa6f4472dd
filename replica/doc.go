// Package replica spreads the queries of a program over one MariaDB primary and its replicas, on
// database/sql. [Router.Write] gives the pool of whichever server is the primary now,
// [Router.Read] the pool of a server that may answer a read. Statements are not parsed: who calls
// says which of both is meant.
//
// # What it guarantees
//
//   - Roles are discovered from the servers and never configured. A primary takes writes
//     (read_only is off) and replicates from nobody; a replica replicates. Each new connection for
//     writes asks the server again before it is used.
//   - A promotion that somebody did by hand or by a tool is followed within about two polls. The
//     pool of [Router.Write] stays the same *sql.DB; connections to the old primary are not used
//     again, and what still waits on one is cut off.
//   - While two servers would take writes, the one that already was the primary stays it; is there
//     none, then nothing is written and [Status] says why.
//   - A replica whose lag is unknown is never taken for one that is up to date. There is one
//     exception, and [Status] names it: while no primary answers, reads go to replicas that wait
//     for it and have applied all they got, because nobody has anything newer.
//   - A read with a [Session] sees all writes that were made with that session, also when the
//     session's [Token] went to another process meanwhile: it goes to a replica that has applied
//     them, else to the primary, else fails. Nor does it show an older state than the read before.
//   - Nothing is promoted or repaired, and nothing is retried but by [Router.View] and
//     [Router.Update]. Memory and the number of connections and goroutines are bounded by [Config].
//
// # Who is read
//
// A read goes to a replica that is fresh enough, near ([Config.Zone]) before far, by weight. One whose
// connections fail is left out at once, before it is found to be down, and comes back when it has
// answered and taken a connection; if it fails again and again, after a growing time
// ([BreakerOptions]). Whoever comes back starts slowly ([Config.SlowStart]). A statement that takes
// longer than its context allows is held against a server only if nobody was answered meanwhile.
//
// Reads that no replica is fit for go to the primary, on connections of their own and no more than
// [Config.MaxPrimaryReads]: a lost replica must not take the primary down with it. These connections
// refuse writes, as a replica would. [WithPrimary] asks for the pool of writes, and has no such limit.
//
// A plain read can fail when its server does. What runs on a server that stands still ends with its
// context, or with the driver's readTimeout: have one of both.
//
// # While it works
//
// [Router.SetNodes] changes the servers, [Router.Drain] takes reads off one for its maintenance,
// [Router.Renew] replaces connections when a password or certificate has changed
// ([Config.Connect]). None of them makes a call fail.
//
// # What it needs
//
// Servers run with gtid_strict_mode=ON, as only then a position says what a replica holds; without
// it, reads of sessions go to the primary. Replicas run with read_only=ON. The account needs the
// privilege SLAVE MONITOR, to see replication, and must not have READ_ONLY ADMIN or SUPER, for which
// read_only is no barrier. Each [Node] is the address of one server, not of a proxy before several.
// Package replica/accounts makes such accounts, package replica/diagnose says what is not so.
//
// # What to keep in mind
//
// SELECT … FOR UPDATE, SELECT … LOCK IN SHARE MODE and INSERT … RETURNING belong on the primary: ask
// [Router.Write] for the pool, or give the context [WithPrimary]. Elsewhere the first and the last
// fail with [ErrReadOnly], but the second takes locks that protect nothing: see [Config.CheckReads].
// A session notes writes by Exec and Query, also of prepared statements, and by Commit; not those of
// functions that a SELECT calls, outside a transaction.
//
// # Reading and writing in one call
//
// [Router.View] reads from one server, and asks another when that one fails at once. [Router.Update]
// runs a transaction, again if that is safe. [Router.DBTX] is for generated code.
//
// A write whose connection was lost after it was sent, be it that its context ended, may have
// happened or not, as with any database. It fails with [ErrUnknownOutcome], is never done again, and
// must not be without looking first: a COMMIT, and a statement that commits by itself. Every other
// error of a write says that it was not done, with one exception: if a context ends while the rows of
// an INSERT … RETURNING are read outside a transaction, that is all the error says. With
// [Config.Marker] the outcome of a transaction can be found out.
//
// A lag is the largest of these numbers: what the server says (Seconds_Behind_Master, whole seconds),
// which is about what it received; how long it has lacked something that the primary was seen
// to have; and, with [Config.Heartbeat], how much older its latest heartbeat is than the primary's, to
// less than the time between two heartbeats. The last needs no clocks that agree, but one, that of who writes
// heartbeats, that goes on steadily: when it jumps, lags do too, for a moment. A replica that leaves out
// replication domains by filter, or the heartbeat's table, lacks something for ever. While any
// part of replication stands still on a server, its lag is unknown, whatever the numbers say.
//
// After a promotion, replicas that still follow the old primary are not read until they are pointed
// to the new one. A replica may follow another replica, if that is a [Node] too.
//
// # Sessions
//
// A [Session] belongs to one client: put it into the context of all calls that are made for him, those
// on the pools too, as that is where it learns what was written and when something was read. Its
// [Token] goes to other processes; a [Sealer] signs it for foreign hands, and package
// replica/httpsession does all that for HTTP.
//
// A session keeps to one replica. It changes to another when that one is known to have all that the
// last one can have shown, that is after a question to the last one or to the primary; until then it
// reads from the primary, also as long as it reads so fast that no question comes between. After
// a write, replicas are looked at every 10 ms until they have it, for 3 seconds at most: a read that
// comes 20 ms later, as after a redirection, finds a replica nearly always. That is one small
// question (two variables), which each front end asks for itself: while sessions write all the
// time, 20 front ends ask each replica 2000 times a second, about 3 % of a core; when
// nobody writes, only the questions of [Config.Poll] remain. Nothing waits for a replica.
//
// Replication that does not wait for replicas can lose acknowledged writes when the primary is
// lost. [Router.Lost] finds out whether that has happened to a session, whose author is to be told. To
// do so, the primary is asked for the last number of each server in its log (gtid_binlog_state) with
// each question, and the answers of the last 16 primaries are kept while the process lives.
//
// When positions are counted anew, after RESET MASTER or when a backup was restored, a router that
// watches notices; sessions that it has go on. Tokens from before are in the hands of clients still:
// give [SealerConfig] another Cluster.
package replica
