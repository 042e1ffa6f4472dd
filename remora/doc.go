// Package remora is the domain of an activity library: what an activity, a version, a number and
// a collection are, and which version a given laptop is to be offered. It imports the standard
// library only, and of that nothing that talks to the outside, so it can be used by anything.
//
// # Words
//
// An [Activity] is the thing people install. A bundle is the .xo file it comes in, a [Version] one
// released bundle, a [Number] what orders versions. A [Range] is the span of Sugar releases a
// version is for; where no person has set it, it is inferred from the interpreter the bundle
// names. A [Collection] is a hand-made list of activities with, where wanted, pinned versions.
//
// # The life of a version
//
//	draft ──► awaiting ──► published ◄──► disabled
//	  │          │             │             │
//	  │          ▼             │             │
//	  │       rejected         │             │
//	  └──────────┴─────► deleted ◄───────────┘
//
// # Choosing
//
// [Select] is the one function that decides what a laptop is offered, for the updater, the pages
// and every list; [Explain] tells why by the same path.
//
// # Reading and writing
//
// A [Store] keeps the catalog, [Files] the bundles. Readers serve from an immutable [Snapshot] that
// a [Feed] keeps fresh, so that they go on when the store does not answer.
//
// Errors are *[Error] with one of a closed list of [Kind]; "not found" is [ErrNotFound] or
// [io/fs.ErrNotExist].
package remora
