package vol

import "fmt"

// Names is a way in which names become safe from a power cut.
type Names int

// The ways. Zero leaves the choice to the volume.
const (
	// NamesBySync: fsync of the directory does it, as on a local file system.
	NamesBySync Names = iota + 1
	// NamesByServer: the file server has made a name safe when it acknowledges it, as the NFS server
	// of the Linux kernel does on an export with sync.
	NamesByServer
	// NamesByFence: the file server may acknowledge names that only its memory has, as NFS-Ganesha
	// does. After each change the volume makes a file of its own grow by a byte and flushes it: on a
	// file system with one ordered journal (ext4, XFS) that takes along what came before.
	NamesByFence
)

var namesWords = map[Names]string{NamesBySync: "sync", NamesByServer: "server", NamesByFence: "fence"}

// String returns the word that [ParseNames] reads; of zero "auto".
func (n Names) String() string {
	if w, ok := namesWords[n]; ok {
		return w
	}
	if n == 0 {
		return "auto"
	}
	return fmt.Sprintf("Names(%d)", int(n))
}

// Valid reports whether n is zero or one of the ways.
func (n Names) Valid() bool { return n == 0 || namesWords[n] != "" }

// ParseNames reads sync, server, fence or auto.
func ParseNames(s string) (Names, error) {
	if s == "auto" {
		return 0, nil
	}
	for n, w := range namesWords {
		if s == w {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is no way to make names safe; there are sync (the folder is synced), server (the server does it), fence (a file is flushed after each change) and auto", s)
}
