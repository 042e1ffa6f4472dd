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
// # Lists and search
//
// [View.Find] answers what pages of lists ask: activities in an order or by words, narrowed by any
// [Facet], page by page, with how many there are and what else could be chosen. Only activities that
// are in lists (see remora.Activity.InLists) are found. Places in lists stay good when the catalog
// changes between two pages.
//
// # Layers
//
// A View is a large base and a few small layers of what changed since, each a [remora.Snapshot]
// with its own search index. A change rebuilds only the newest, small layer; merging layers into
// larger ones happens in the background. So the cost of a change does not grow with the catalog, but
// for a copy of one bit for each activity: a View knows of each layer which of its activities no
// newer layer decides about, so that lists and counts need not ask for each of them.
package live
