// Package nodes says which backends a pool has, from a file that people edit and from DNS.
//
// The file is that of Perlbal, with more in it: one backend a line, polled, so that a script or an
// editor is all that is needed to change a pool:
//
//	# front ends
//	10.0.0.11:8081
//	10.0.0.12:8081 weight=3 max=20
//	[2001:db8::13]:8081 name=second backup
//	unix:/run/app.sock disabled
//	app.example.org:8081
//
// A [File] that has a mistake is refused whole, with the line of each, and the pool stays as it was; so
// it does while the file is missing. Names that are not addresses are resolved, by [Resolver], again
// and again; each address is a backend of its own.
package nodes
