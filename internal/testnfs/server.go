package testnfs

import (
	"fmt"
	"testing"
)

// Options of a server. The zero value is good.
type Options struct {
	Size       int  // of the exported file system, bytes; 0: 512 MiB
	RootSquash bool // root of a client is nobody
}

// A Server is a running server. Kill, Stop, Cont and Start are for one goroutine at a time.
type Server struct {
	tb               testing.TB
	size             int
	squash           string // as NFS-Ganesha calls it
	dir              string // for logs and the like
	nfsPort, mntPort int    // of the loopback interface
	machine          machine
}

// Ganesha returns a server that the test has alone. It ends with the test. opts may be nil.
func Ganesha(t testing.TB, opts *Options) *Server {
	t.Helper()
	s := &Server{tb: t, size: 512 << 20, squash: "No_Root_Squash"}
	if opts != nil && opts.Size != 0 {
		s.size = opts.Size
	}
	if opts != nil && opts.RootSquash {
		s.squash = "Root_Squash"
	}
	s.boot()
	return s
}

// URL returns the address of the export, which anybody may write to as any user:
// nfs://127.0.0.1:port/export?mountport=port&uid=0&gid=0.
func (s *Server) URL() string {
	return fmt.Sprintf("nfs://127.0.0.1:%d%s?mountport=%d&uid=0&gid=0", s.nfsPort, export, s.mntPort)
}

// export is the path of the export on the server.
const export = "/export"
