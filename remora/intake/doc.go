// Package intake takes bundles into the catalog, and withdraws what is to be offered no more.
//
// A bundle goes through steps of which each can be repeated: check it ([xo.Read]), store its
// bytes, record it as a draft, link its public name, publish it. A crash between any two leaves
// something invisible that the next attempt finds and finishes. A row never names a file that is
// not safely stored, and a public name is there before the version is offered.
//
// Withdrawing goes the other way round: first the catalog says no, then the public name goes. What
// a crash leaves of that is found by [Shelf.Settle].
package intake
