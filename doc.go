// Package beamrider is the documentation of a module of four libraries and a server that together
// make an activity library for Sugar laptops: a place where children and teachers find .xo
// bundles, and from which laptops update themselves.
//
//	remora            the catalog: activities, versions, which one a laptop is offered
//	remora/xo         reads, checks and packs .xo bundles; useful alone
//	remora/sqlstore   the catalog on SQLite or MariaDB
//	remora/search     the search index
//	remora/live       the view that front ends serve from, also while the database is away
//	remora/intake     takes bundles in: check, store, publish; survives a crash at any point
//	remora/sugar      the protocols that old and new Sugar clients speak
//	remora/web        the pages
//	nfsstore          durable files in a directory or on a mount
//	cmd/remora-server wires them into one program
//
// Run it with
//
//	go run ./cmd/remora-server serve --samples
//
// and open http://127.0.0.1:8080/. The README has more.
package beamrider
