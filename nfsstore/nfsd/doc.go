// Package nfsd is a small NFS server: NFS version 3 and MOUNT version 3 (RFC 1813) over TCP, in user
// space. It is experimental.
//
// # What it is for
//
// One small site that shares the directories of one machine with a few others and has no NFS server
// yet. Where the server of the Linux kernel or NFS-Ganesha can run, use that: they are older, faster
// and do more.
//
// A Linux client mounts an export with
//
//	mount -t nfs -o vers=3,proto=tcp,port=N,mountproto=tcp,mountport=N,nolock,hard,lookupcache=positive server:/srv/remora /mnt
//
// where N is the port of the listener: both programs answer on it, and there is no portmapper to ask.
// nolock is needed because there are no locks. With lookupcache=positive a file that another machine
// has just made is seen at once; by default the client remembers for up to a minute that it was not
// there.
//
// # What it promises
//
// What was acknowledged is on disk, as RFC 1813 demands: new, changed and removed names and
// attributes before the reply, written bytes when they were asked for so or at the latest when COMMIT
// was answered. Written bytes that a crash took are known to the clients by the write verifier, which
// is another one after each start, and they write them again. [Export] has an exception for hidden
// names.
//
// Handles stay good when the server restarts, as long as the export is the same directory. They are made by the kernel (name_to_handle_at) where
// the process may open them again (CAP_DAC_READ_SEARCH). Otherwise the server walks the exported
// directories when it starts, and refuses to serve more than [MaxIndex] files.
//
// A call that is sent again because its reply was lost gets the first reply again, also over a new
// connection, unless the server restarted in between.
//
// # Who may do what
//
// AUTH_SYS believes whatever a client says about its users, and nothing is encrypted. So a [Server]
// listens on private and loopback addresses only, and each call is checked by the address it comes
// from, not only the mount. A handle carries a seal (HMAC-SHA256) of a key that never leaves
// [Config].StateDir, so that none can be guessed. Names are looked up one at a time, and neither
// symbolic links nor mounts below an export are followed. Who has a handle of a file may still use it
// when the file was moved out of the exported directory on the server.
//
// A server that runs as root acts with the user, the group and the groups of each caller, after
// squashing, so the kernel decides what is allowed. One that does not run as root acts as its own
// user, to whom all files belong, whoever calls. Quotas, and space that is reserved for root, bind
// callers only when the process has not CAP_SYS_RESOURCE: of that the kernel asks the process, and not
// whom it acts for.
//
// # What it cannot
//
// There are no locks (NLM), no NFS version 4, no Kerberos and no encryption, no UDP. Symbolic links and
// device nodes are neither made nor read. Attributes before an operation are never sent: other
// processes change the directories too, and a wrong answer would make clients trust old caches. It
// needs Linux 5.8 or newer; elsewhere [New] fails with [errors.ErrUnsupported].
package nfsd
