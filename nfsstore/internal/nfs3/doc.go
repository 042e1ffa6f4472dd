// Package nfs3 is a small client for NFS version 3 (RFC 1813) over TCP, with AUTH_SYS (RFC 5531).
// It needs neither a kernel mount nor, beyond what the server demands, any privilege.
//
// # What it promises
//
// Every call returns when its context ends or after [Config].Timeout, whichever is first, also when
// the server is frozen, or lost with its power. Nothing goes on after [Client.Close] has returned.
//
// One connection carries all calls at the same time. When it breaks, the client connects again, with
// growing pauses, and repeats those calls that give the same result when they are made twice. The
// others ([Client.Link], [Client.Rename], [Client.Remove], [Client.Rmdir], [Client.Mkdir]) fail with
// an error that matches [ErrUnknownOutcome] when their request may have reached the server and no
// reply came: the caller has to look. [Client.Create] is safe to repeat, by the verifier of an
// exclusive creation.
//
// Written bytes are safe when [File.Sync] has returned nil, and not before. When the server has
// restarted since a write, Sync fails with [ErrRewrite], and the file has to be written again.
//
// # What it keeps to
//
// At most [Config].MaxInFlight calls are under way, each with at most one reply record of
// 1 MiB + 64 KiB; longer ones break the connection. Handles of directories are cached (a bounded
// number), and looked up again when the server calls them stale. It is assumed that nobody renames
// directories below the export; neither files nor attributes are cached. Symbolic links are not
// followed.
//
// # What it cannot
//
// There are no locks (NLM), no Kerberos and no encryption: AUTH_SYS believes whatever the client
// says about its user. Use it on private networks.
package nfs3
