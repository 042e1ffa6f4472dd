// Package nfsstore keeps files in a directory, on a local disk or on a mounted NFS export, or in an
// NFS export that it reaches by itself, so that each is either not there or whole and safe. [Mirror]
// keeps a copy of them on another machine.
//
// What the files are kept on is a volume ([vol.Vol]): those of packages dirvol, nfs3vol and memvol,
// which [Open] knows by their addresses, or any other that passes package voltest, by [New].
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
// leave the directory of its store: besides the grammar, every access goes through an [os.Root], or
// follows no symbolic links.
//
// # Faults
//
// Errors match (with [errors.Is]) [ErrNoSpace], [ErrReadOnly], [ErrUnavailable], [ErrCorrupt],
// [ErrName], [ErrChanged], [fs.ErrExist] or [fs.ErrNotExist], and their text says what to do. NFS reports a full
// disk or a lost server as late as fsync or close: both are checked. A process that is killed leaves
// at most temporary files, which [Store.Sweep] removes. They carry the time of their making in their
// names, because the times that an NFS server gives to files are those of another clock.
//
// # What is removed, and space
//
// Whoever reads a file over NFS loses it when another machine removes it. So what is removed, and what a
// repair replaces, is moved to a folder of the day below .trash, from where an administrator can fetch
// it back by hand: its name there begins with the moment and ends with the name that it had, with commas
// for slashes. Store.Sweep takes it away for good when 24 hours are over; its space is not free before.
// On a disk that is nearly full, or in which a file did not fit a moment ago, what is removed makes room at
// once. A store may keep some space and some inodes free ([Options].Reserve): then uploads stop before the
// disk is so full that nothing works, and tidying up goes on.
//
// # Looking after the files
//
// [Store.Scrub] reads all files and tells which are missing, damaged or unreadable; [Store.Repair] puts the
// right content in place of a wrong one. [Store.Health] tells in time how the disk or the server is.
//
// # Mounts that hang
//
// A hard mount whose server is gone blocks inside the kernel, where no context reaches. On what may
// be such a mount (every file system that is not a usual one of a local disk) a call is left behind
// when its context ends. A store lets only a bounded number of calls get into that state; further
// ones give up with [ErrUnavailable] or when their context ends, at once when all have hung for ten
// seconds. Each read of an open file there is such a call too, and has the time of
// [Options].ReadTimeout. When the server is back, the calls come back, and all works again. What is
// mounted below the directory of a store counts as its own file system.
//
// A server that was restarted, or under which a file was removed, may know an open file no more. Then
// it is opened once more, and reading goes on if the name has the same file still; [ErrChanged] says
// that it has another.
//
// # NFS without a mount
//
// A store of nfs:// speaks NFS version 3 itself: it needs no privilege of the kernel, its calls keep
// the deadlines of their contexts, and a server that is away is a state that ends when the server is
// back. It keeps a megabyte of each file that is written until the server has flushed it, and writes
// it again when the server was restarted in between. When the reply to an operation is lost it looks
// what became of it. Reads that come short of the size that the file had are errors and never an end.
//
// After a fence (see below) the store looks whether the change is still there. It cannot see one thing: a
// request of its own that a broken connection left behind in the server, to be carried out after the
// same name has been used again.
//
// AUTH_SYS tells the server who is asking and proves nothing, and nothing is encrypted. So only
// private addresses are accepted. The name of a server is resolved until it answers for the first
// time; when it gets another address, open the store anew.
//
// # How names become safe
//
// On a local file system the folder of a name is synced. An NFS server may acknowledge names before
// they are safe: NFS-Ganesha does, it syncs files and never directories. Therefore a volume of NFS, by
// itself or on a mount, ends each change with a fence: it makes a file of its own grow by a byte and has
// that flushed. Then it looks whether the server still knows of the change. On file systems with one ordered journal (ext4, XFS) all changes before it are safe
// then; on others of such a server the newest names may still be lost with its power. names=server in
// the address, or [Options].Names, does without: for the NFS server of the Linux kernel, on an export
// with sync, and others that make names safe before they acknowledge them.
//
// # What it needs
//
// The file system must have hard links, or be able to rename without replacing (renameat2 on Linux);
// [Open] tries that and refuses one that has neither. Without links [Store.Link] copies. The server must
// export with sync. The NFS client of the Linux kernel remembers for up to a minute which names were
// absent, unless it mounts with lookupcache=positive, which is what other programs on the same mount
// need. A store has it ask the server before it says that there is no such file. [Probe] tells what is
// wrong with a place.
package nfsstore
