// Package nfsstore keeps files in a directory, on a local disk or on a mounted NFS export, so that
// each is either not there or whole and safe.
//
// # What it promises
//
// When [Store.Put], [Store.Link] or [Store.Remove] has returned nil, a power cut does not undo it
// (as far as the file system keeps its word about fsync, see below). Nobody ever sees part of a
// file: bytes are written under a temporary name in the same directory, compared with the length
// and the SHA-256 that the caller declared, synced, closed, and only then linked to their name. A
// link never replaces anything, so a name, once taken, shows the same bytes until it is removed.
//
// All calls may be repeated. After an error the name is either absent or whole; calling again with
// the same content finishes what was begun. Several goroutines, processes and machines may use one
// directory at the same time; there are no locks, whose failure NFS is known for.
//
// # Names
//
// A name is one or more elements joined by slashes; [CheckName] has the grammar. A name cannot
// leave the directory of its store: besides the grammar, every access goes through an [os.Root].
//
// # Faults
//
// Errors match (with [errors.Is]) [ErrNoSpace], [ErrReadOnly], [ErrUnavailable], [ErrCorrupt],
// [ErrName], [fs.ErrExist] or [fs.ErrNotExist], and their text says what to do. NFS reports a full
// disk or a lost server as late as fsync or close: both are checked. A process that is killed leaves
// at most temporary files, which [Store.Sweep] removes. They carry the time of their making in their
// names, because the times that an NFS server gives to files are those of another clock.
//
// A hard mount whose server is gone blocks inside the kernel, where no context reaches. A store
// lets only a bounded number of its own calls get into that state; further ones give up with
// [ErrUnavailable] or when their context ends. Reading a file that is open already is not counted.
//
// # What it needs
//
// The file system must have hard links; [Open] tries that and refuses one that has not. On a
// kernel NFS client mount with lookupcache=positive, or a name that was absent a moment ago stays
// invisible to that client for some seconds. The server must export with sync. NFS-Ganesha on ext4
// acknowledges a link before its journal is written: the newest names may be lost with the power
// of the server.
package nfsstore
