// Package httpsession carries sessions of package replica through HTTP: whoever writes by one request
// sees it in the next one, whichever front end answers.
//
// A [Middleware] puts a [replica.Session] into the context of each request. If the request brings a
// token, in a cookie or, from programs, in a header, the session begins there. If a write was
// committed with that context, the answer gets a new token: as a cookie, and in the header. A
// request that only reads sets no cookie, so that pages can be kept and nobody is pinned to
// anything; there is no timer, and a token is as good as none as soon as a replica has got so far.
//
// # What to keep in mind
//
// The token goes out with the head of the answer: commit before the first byte is written.
// [Stats].Late counts who did not.
//
// A browser keeps the cookie of the answer that came last. Of two writes at the same time, the other one
// may not be seen for a moment; each request sees its own.
//
// An answer with a new token is for one client. It gets Cache-Control: no-store, unless the handler
// has forbidden shared caches already. A cache before the front ends has to let requests with the
// cookie or the header pass to them, or it answers with what it kept from before the write.
//
// Tokens are sealed. One that is forged, expired or of another cluster is counted and then as good
// as none; visitors never get an error for it. Tokens tell nothing secret and grant nothing.
//
// Programs send back the header of the last answer, with any request. Such an answer has a token also
// when the request only read, so that the next read shows nothing older. Where a queue or a webhook
// leads to work in another process, put [Middleware.Export] into the message, and give what arrives
// there to [Middleware.Import].
package httpsession
