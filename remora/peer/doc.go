// Package peer is what the machines of one library ask each other, over HTTP.
//
//	GET  /internal/changes?after=N&epoch=E[&wait=25s]   what a front end shows differently since a position
//	POST /internal/import                               takes in the bundle in the body
//	GET  /internal/status                               how this process stands
//
// [Handler] answers, [Follower] asks for changes again and again, through any [http.RoundTripper]: a
// pool of front ends will do.
//
// # Who may ask
//
// Changes and status tell nothing that the pages do not show, but they are not for the public, and
// waiting for changes holds a connection. The handler does not look at addresses: whoever mounts it
// lets only requests from the library's own networks through. Imports need a token besides.
//
// # Errors
//
// An error is an application/problem+json (RFC 9457): title is the stable word for the kind of
// error, code one for the mistake, if it has one, and detail a sentence for a person. What may
// succeed later is answered with 503 or 429 and Retry-After.
//
// # Changes
//
// They are those of what the front end shows, not of the database: whoever keeps pages may drop those
// of an activity as soon as it hears of the change. Front ends are not all equally quick. A page that
// comes from another one after that may still be older; its header Remora-Snapshot says how old.
package peer
