// Package edge is what stands between the network and an [http.Handler], such as a balancer: a [Server]
// on net/http that holds clients to limits, speaks TLS with certificates that may be replaced at any
// time, HTTP/2 and the PROXY protocol, and lets no request through that another server could read in a
// different way.
//
// # Requests with two readings
//
// RFC 9112 names messages whose end, target or fields servers disagree about, by which one client's
// bytes become another's request (smuggling). net/http refuses some of them and repairs others without a
// word. In front of it a reader follows each connection of HTTP/1, byte by byte as net/http reads them, and
// has refused: a Content-Length together with a Transfer-Encoding; either of them twice; a
// Content-Length that is a list, signed or not decimal; any coding but chunked, and that in HTTP/1.0; CR
// or LF alone; folded lines; names that are empty or followed by a space; control characters; no Host,
// two, one that is no name or address, or one that is not that of a target in absolute form; chunk sizes
// with signs, prefixes or spaces and malformed extensions; framing fields and Host after the body. One
// empty line before a request is dropped. CONNECT is refused. The client gets one answer with a sentence
// that says why, after those to its earlier requests, and the connection is closed. The reader keeps nothing
// and costs about a microsecond for the header of a browser; it leaves when a connection is upgraded.
// Stricter than the RFC are: hosts are of letters, digits and ".-_" or IPv6 addresses; there is no white
// space in chunk lines. More lenient is: targets may have [ ] \ ^ ` { | }, which browsers do not escape.
//
// Requests of HTTP/2 get the same care for what they would become in HTTP/1. Neither extended CONNECT
// (WebSocket over HTTP/2) nor an upgrade to HTTP/2 without TLS is offered; a wish for the latter is
// ignored. WebSocket over HTTP/1.1 passes.
//
// # Limits
//
// [Options] has them all, with defaults for a public server with schools on slow lines behind shared
// addresses: connections are limited in all and for each client, rates of requests only for writes,
// uploads and downloads must move, but may take as long as they take. A client that ends its side of a
// connection before the answer has begun is taken for gone, as net/http does.
package edge
