// Package session lets people see what they have just changed, whichever front end answers them.
//
// A write is answered with a token: the position of the change feed after it, and where there are
// replicas of the database, what those need to know about it. The client sends it along with what
// it asks next, as a cookie or, if it is a program, in the header Remora-Seen. A front end that does
// not yet show that position catches up before it answers. If that does not succeed in time it
// answers all the same, says so in the header Remora-Behind, and forbids to keep the answer.
//
// # What is guaranteed
//
//   - A request without a token costs two look-ups in its headers, and nothing is allocated.
//   - A request with a token waits for [Config.CatchUp] at most; most do not wait, as front ends are
//     behind for a fraction of a second after a change only.
//   - An answer without Remora-Behind to a request with a valid token shows the write of the token.
//     This holds for what is served from the library, not for a cache before it: such a cache must
//     let requests with a token pass, or compare positions.
//   - Tokens are signed (HMAC-SHA256, RFC 2104), so that nobody can make front ends ask the database
//     for what does not exist. They tell nothing that is secret and grant nothing; one that is
//     damaged, of another key or of another epoch is as good as none.
//
// Every front end needs the same keys. To change them without a gap, put the new key behind the
// old one everywhere, then in front, then take the old one away.
package session
