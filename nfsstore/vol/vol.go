// Package vol is the seam between package nfsstore and what its files are kept on: the interface
// [Vol], the faults by which its errors are told apart, and nothing that opens anything.
//
// There are volumes in packages dirvol (a directory, on a local disk or a mount), nfs3vol (an export
// of NFS version 3, reached without a mount), memvol (in memory) and faultvol (any other, with faults
// put in). Package voltest is the contract as a test, for them and for those of others.
package vol

import (
	"context"
	"io"
	"io/fs"
)

// A Vol is a file system as the protocol of nfsstore needs it. Its methods may be called
// concurrently, also by several processes and machines on the same files.
//
// # Names
//
// A name is a path as [fs.ValidPath] has it; "." is the volume itself. Others fail with an error that
// matches [fs.ErrInvalid]. No name leads out of the volume, also not by way of symbolic links.
//
// # Errors
//
// Errors match [fs.ErrNotExist], [fs.ErrExist], [fs.ErrPermission], [fs.ErrInvalid] and those of
// package syscall as the functions of package os do, so that [FaultOf] tells them apart; after Close
// they match [fs.ErrClosed]. A volume that knows better is clear about it with an [*Error]. A call whose
// context has ended before it began does nothing and fails with the error of the context.
//
// A volume may repeat what is safe to repeat, and finds out by itself what became of an operation
// whose reply was lost. When it cannot, it reports the fault: the caller may call again.
//
// # Durability
//
// Content is safe from a power cut when Sync of the [Writer] has returned nil, and a name, or its
// absence, when Persist has.
type Vol interface {
	// Create makes a file for writing. A name that is taken is fs.ErrExist. Nobody may write to the
	// file once it is closed: with hard links, a write through one name would change the others.
	Create(ctx context.Context, name string) (Writer, error)
	// Open opens a file for reading. Its reads end with ctx at the latest where Deadline is among
	// the capabilities, until it is told otherwise if it is a [Detacher]. What is no regular file
	// may be opened, and shows that by Stat, or be fs.ErrNotExist; it is never waited for.
	Open(ctx context.Context, name string) (File, error)
	// OpenDir opens a directory, whose reading ends with ctx where Deadline is among the
	// capabilities. That it is none may show at the first ReadDir only.
	OpenDir(ctx context.Context, name string) (Dir, error)
	// Stat tells of what has that name; of a symbolic link, not of what it points to.
	Stat(ctx context.Context, name string) (fs.FileInfo, error)
	// Same reports whether two results of Stat of this volume are of one file, under two names.
	Same(a, b fs.FileInfo) bool
	// Mkdir makes a directory, whose parent must exist.
	Mkdir(ctx context.Context, name string) error
	// Link gives a file another name. It never replaces: a name that is taken is fs.ErrExist, also
	// when it is one of the same file. It fails with [errors.ErrUnsupported] or EPERM where Link is
	// not among the capabilities.
	Link(ctx context.Context, from, to string) error
	// Rename gives a file another name in place of the one it has. It may replace a file that has
	// that name: use it only for names that nobody else uses.
	Rename(ctx context.Context, from, to string) error
	// Remove takes a name of a file, or an empty directory, away. An open file stays readable where
	// the file system keeps it so (a local one does, NFS does not when another machine removes it).
	Remove(ctx context.Context, name string) error
	// Persist makes the presence of a name, or its absence, safe from a power cut. Where that is
	// sure to have gone wrong (the name is absent again) it reports it. That the directory of a name
	// is absent with it is no error.
	Persist(ctx context.Context, name string, there bool) error
	// Space tells what may be stored still. The error matches [errors.ErrUnsupported] where nobody
	// can be asked.
	Space(ctx context.Context) (Space, error)
	// Caps tells what this volume can do. It is the same for all its life.
	Caps() Caps
	// String names the place in messages.
	String() string
	// Close gives back what the volume holds. Calls under way end or fail with fs.ErrClosed. It may
	// be called again.
	Close() error
}

// Caps is what a volume can do, beyond what each must.
type Caps struct {
	// Link: files may have several names. False is for volumes that know they have no links; true
	// may turn out to be wrong at the first Link.
	Link bool
	// Deadline: calls return soon when their context ends, or never take long, as on a local disk.
	// Calls of a volume without may hang in the kernel, so they are to be made where they can be
	// left behind.
	Deadline bool
	// Names is how names are made safe; never zero.
	Names Names
}

// Space is what may be stored, as the file system or its server tells this user.
type Space struct {
	Free, Total           int64 // bytes
	FreeFiles, TotalFiles int64 // inodes; both zero where they are not counted
}

// A File is open for reading. An [os.File] is one, and a volume hands it on as it is, because net/http
// knows how to send it without copying.
type File interface {
	fs.File
	io.ReaderAt
	io.Seeker
	// Sync makes the content safe that another process may have written.
	Sync() error
}

// A Detacher is a File whose reads end with the context it was opened by.
type Detacher interface {
	// Detach lets reads go on after that context has ended; each has a time-out of the volume's own
	// from then on, and Close ends what is under way. It is called before the first read.
	Detach()
}

// A Dir is an open directory.
type Dir interface {
	// ReadDir returns the next entries, up to n, which is above zero, in any order; at the end none
	// and io.EOF. Entries that come or go meanwhile may be among them or not; each of the others is
	// there once.
	ReadDir(n int) ([]fs.DirEntry, error)
	Close() error
}

// A Writer writes a new file, from its beginning to its end. One goroutine uses it. After an error
// nothing is known of the content.
type Writer interface {
	// Write writes all of p, whose bytes it does not keep in use after it has returned.
	Write(ctx context.Context, p []byte) error
	// Sync makes the content safe. A full disk may be reported here only, and at Close.
	Sync(ctx context.Context) error
	Close(ctx context.Context) error
}

// A Mover is a volume that can rename without replacing. Where there are no links, nfsstore gives files
// their names by it.
type Mover interface {
	// Move is a Rename that never replaces: a name that is taken is fs.ErrExist. It fails with
	// [errors.ErrUnsupported] where the file system cannot do that.
	Move(ctx context.Context, from, to string) error
}

// A Keeper is a volume that keeps files of its own among those of its user, with names that are those
// of temporary files; a sweeper asks before it removes one.
type Keeper interface {
	Keeps(name string) bool
}

// A Refresher is a volume that may say of a name that it is absent although another machine has made it
// meanwhile, as the NFS client of the kernel does: for as long as its attributes of the folder last (a
// minute at most, by default) it remembers what it did not find there, unless lookupcache=positive is
// among the options of the mount.
type Refresher interface {
	// Refresh asks the server about the folders that a name is in, and reports whether an answer that
	// the name is absent may have been an old one.
	Refresh(ctx context.Context, name string) bool
}

// Links returns how many names the file has; 0 where the volume does not tell.
func Links(info fs.FileInfo) uint64 {
	switch i := info.(type) {
	case nil:
		return 0
	case interface{ Links() int64 }:
		return uint64(i.Links())
	}
	return links(info)
}
