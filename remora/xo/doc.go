// Package xo reads and packs a Sugar activity bundle, the zip file with the suffix .xo (and, on
// request, the content bundle .xol).
//
// # What Read guarantees
//
// A bundle that [Read] accepts means the same to everybody who opens it: Python's zipfile (which
// Sugar looks into a bundle with), Info-ZIP's unzip (which Sugar installs it with) and this
// package see the same files with the same bytes. In particular
//
//   - every byte of the file belongs to an entry, the directory or the end record; nothing is
//     before, between or behind them, and no two entries share bytes;
//   - the header before each entry and its copy in the directory say the same;
//   - every entry was unpacked and has the promised length and checksum;
//   - every name is a plain relative path inside one folder whose name ends in ".activity";
//     entries are files and folders only, without set-user-id or set-group-id files;
//   - activity/activity.info reads as Python's configparser reads it, and says what Sugar needs.
//
// What real bundles have is accepted: duplicate entries below locale/ (the last one wins), names
// that differ only in case, names in old encodings, an archive comment, a first entry "mimetype".
//
// The bytes behind the [io.ReaderAt] must not change while Read runs; Bundle.SHA256 is the digest
// of the whole file.
//
// # Bounds
//
// Read never unpacks to disk and never holds an entry in memory, save activity.info, the icon and
// one activity.linfo at a time, each within a bound of [Options]. Memory is bounded by the size of
// the zip directory (at most 8 MiB) and a few fixed buffers; time by MaxPacked and MaxUnpacked.
// Read stops between chunks of 32 KiB when its context ends.
//
// # Problems
//
// A refused bundle is a *[remora.Error] of kind invalid or too_large. Its Code is that of the
// first problem; [Refusal], found with [errors.As], has all that could be found safely. [Codes]
// documents every code. What does not stop a bundle is in Bundle.Warnings.
//
// # Icons
//
// Bundle.Icon is not the bundle's file but a rewritten one: an allow-list of drawing elements,
// without scripts, styles, links to elsewhere, entities or a document type, safe to serve. Sugar
// draws icons in each learner's two colours; [Recolor] does that with a sanitised icon.
package xo
