// Package filehttp serves the files of a store over HTTP, and reads those that another machine serves.
//
// # Serving
//
// A [Handler] answers GET and HEAD, whole files, ranges and conditions. Where the SHA-256 of a file is
// known it is the entity tag, which is a strong one; else there is only the date. Errors tell a client
// what to do: 404 where there is no such file, 503 with Retry-After where it cannot be read just now.
// When a file turns out shorter than it was, or its disk fails, the connection breaks off, in HTTP/1.1
// and HTTP/2 alike: nobody takes the half for the whole.
//
// A file of a local disk goes from the page cache to the socket by sendfile, if every
// [http.ResponseWriter] between the handler and the server passes ReadFrom on. One that may hang, on a
// mount, is read in pieces instead, since a call of the system that hangs cannot be left.
//
// With a [Verifier] no byte of a file goes out before its SHA-256 was compared, at the first request
// and then once a day; a damaged file is answered with 503. Between two looks the page cache is
// believed, and so is the disk.
//
// # Behind nginx
//
// With Options.Accel the handler decides and nginx sends, from a location of its own:
//
//	location /accel/ {
//		internal;
//		alias /srv/remora/;
//		etag off;                            # the handler's is true, nginx's is of size and date
//		add_header ETag $upstream_http_etag;
//	}
//
// nginx opens the file anew. It must see the same store, and it does notice a file that is shorter than
// it was, but not one that is damaged: what the handler has verified it may read from the disk again.
//
// # Reading from a mirror
//
// A [Remote] opens the files that handlers on other machines serve. A handler that is asked by remotes
// must serve only what is on its own machine or store, never a Remote: then no request can go round in
// circles.
package filehttp
