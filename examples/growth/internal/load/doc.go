// Package load asks a library what laptops, readers and developers ask of it, on a schedule, and
// checks every answer. It is how the growth plan is proved: machines are added and killed while it
// runs, and its report says what anybody outside noticed.
//
// # Open loop
//
// A request is sent when its time has come, whether or not earlier ones were answered, and its
// latency is counted from that time. A server that stalls for a second is therefore seen to keep a
// second's worth of requests waiting, not one request. At most Config.MaxInFlight requests are
// under way at once; one that finds no room is counted as failed, and none is left out.
//
// # Clients
//
// Requests come from a number of simulated clients with connections of their own that are kept
// alive, and one request in five comes over a fresh connection. Half of the clients are developers:
// they import, and from then on send the session token that the answer brought. The others never
// send one.
//
// # What is checked
//
// The load imports activities of its own, made from Config.Seed, and asks only for those, so that
// it knows what every answer may hold. An answer is
//
//   - ok: whole, about the right activity, and as new as was promised to whoever asked;
//   - behind (and ok): older than the newest acknowledged import, but allowed to be: the reader sent
//     no token and the import is younger than Config.Stale, or the answer itself says that it is
//     old, in Remora-Behind for a reader with a token, by "stale" in Remora-Snapshot for others;
//   - wrong: answered as if all was well, but it is not: an older version than the reader's token
//     covers, a version that never was, another activity, other bytes than were imported, half a
//     page, an update document that lacks the offer;
//   - refused (imports only): 503 with a Retry-After;
//   - unknown (imports only): the connection broke, or time ran out, after the whole bundle was sent;
//   - failed: everything else, such as an error status, a broken connection, a time-out.
//
// An import that was refused, failed by a fault of the server, or is unknown is sent again later
// with the same bytes, before any new one.
//
// # Bounds
//
// Memory grows with the number of imports, some 500 bytes each, and with the number of steps, some
// 30 KiB each up to [MaxSteps]; everything else is fixed.
package load
