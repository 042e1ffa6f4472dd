// Package live keeps a picture of the catalog in memory that front ends serve from.
//
// A [Library] follows the change feed of a store and swaps in a new immutable [View] within
// milliseconds of a change. Requests take the View once and use it to the end, so a page never
// mixes two states of the catalog, and no request ever waits for the database.
//
// # When the database is away
//
// The last View goes on being served; [Library.Mark] says how old it is. The View is saved to a
// file now and then, and a server that starts while the database is away begins with that.
//
// # Reading what was written
//
// [Library.CatchUp] brings the View up to a position at once, for who must see a change that was
// made elsewhere. [Library.Changes] tells what the View shows differently since a position.
//
// Where the feed is read from replicas, one of them may lag behind what is shown already. The View
// does not go back then, and the catalog is not loaded anew; see Options.Primary.
//
// # Layers
//
// A View is a large base and a few small layers of what changed since, each a [remora.Snapshot]
// with its own search index. A change rebuilds only the newest, small layer; merging layers into
// larger ones happens in the background. So the cost of a change does not grow with the catalog.
package live
