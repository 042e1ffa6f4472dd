//go:build !linux

package testdb

import (
	"os"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

type process struct{}

func start(t testing.TB, private bool) *Server {
	t.Helper()
	require.Skip(t, "a MariaDB server that dies with the test can be had on Linux only")
	return &Server{tb: t, private: private}
}

func (s *Server) unsupported() {
	s.tb.Helper()
	require.Skip(s.tb, "a MariaDB server that dies with the test can be had on Linux only")
}

// Kill kills the server as a power cut would, and returns when it is gone.
func (s *Server) Kill() { s.tb.Helper(); s.unsupported() }

// Stop freezes the server: the kernel still accepts connections, nobody answers.
func (s *Server) Stop() { s.tb.Helper(); s.unsupported() }

// Cont lets a frozen server go on.
func (s *Server) Cont() { s.tb.Helper(); s.unsupported() }

// Start starts a killed server again, on the same port and data, and returns when it takes
// connections.
func (s *Server) Start() { s.tb.Helper(); s.unsupported() }

func (s *Server) end() error { return os.RemoveAll(s.dir) }
