// Package sugar speaks the protocols of Sugar clients, old and new: the updater's RDF, update
// groups in micro-format, the bundles themselves with ranges, a batch check, icons, and every
// address that the old Remora site gave out and that laptops, scripts and pages still hold.
//
// The clients cannot be changed, so the answers keep to what they need:
//
//   - The updater (jarabe.model.update.aslo) hangs for ever on a 200 that is not its XML. Trouble
//     of ours is therefore always a 5xx, never a page; an update is never offered without a size
//     and a link to a .xo.
//   - A bundle is never cut short in a way that looks complete: when storage fails in the middle of
//     one, the connection is broken.
//   - Nothing here redirects to HTTPS, sets a cookie, or limits clients by count: a whole school
//     comes from one address.
//
// A [Handler] answers from a [live.Library] alone and never waits for a database. It passes what
// is not its own to Config.Next, untouched. Its answers contain absolute links made from the
// request's Host where no address is configured, so it belongs behind site.Guard.
//
// [Downloads] counts downloads without storing who made them.
package sugar
