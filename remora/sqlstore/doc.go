// Package sqlstore is the catalog of record on database/sql: a [remora.Store] over SQLite, which
// needs no set-up, or MariaDB, for more than one machine. Both run the same query text.
//
// # What it guarantees
//
//   - A write that returned nil is durable: SQLite runs with synchronous=FULL, MariaDB as its
//     server is configured (innodb_flush_log_at_trx_commit=1 is its default).
//   - A write is one transaction. Its last statements take the one row of table seq, so numbers of
//     the change feed are given out in the order of commits: a reader that has seen number n never
//     finds a smaller one later. They also write one line of the audit log.
//   - A read of several queries is one snapshot.
//   - A failed write left nothing behind, unless its error has code "outcome.unknown": then the
//     connection broke while committing. All writes but [Store.AddDownloads] may simply be done again.
//   - With the database away, calls end within about [Options].Wait with KindUnavailable, and work
//     again when it is back. New, OpenSQLite and OpenMariaDB do not touch the database.
//   - Deadlocks and lock waits are retried inside, a bounded number of times.
//
// # Files and rows
//
// Bytes and rows change apart, so each side keeps a note of what the other may still hold. A blob is
// staged before its bytes are put, kept from the moment a version wants it, and trash from the
// moment a sweeper may remove it; trash cannot be wanted again before it is forgotten. A public
// name is present (it may exist), leaving (a sweeper may be removing it) or absent; only a version
// whose name is present can be offered, and one that is leaving cannot be present again before it
// is absent.
//
// # Copies and leases
//
// [Copy] copies a catalog between databases of any engine, [Move] does so with writes frozen and then
// makes the other one the only one that is written to. A database is never half a copy unseen: until
// the digests of both are equal it refuses to be read and written. [Store.Lease] and
// [Store.RunLeased] let one of several programs do work that must not be done twice at once.
//
// # The audit log
//
// Line n holds SHA-256 over the sum of line n-1 (nothing for the first) and the line's fields, in
// order id, at, actor, action, target, reason, data: integers as 8 bytes big endian, texts as their
// length in bytes, so encoded, and the bytes. Table seq holds the number and sum of the last line,
// so that lines cannot be cut off the end unseen either.
package sqlstore
