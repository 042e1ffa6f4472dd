//go:build !linux

package replicatest

import (
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

const reason = "MariaDB servers that die with the test can be had on Linux only"

type process struct{}

func start(tb testing.TB, id int) *Server {
	tb.Helper()
	require.Skip(tb, reason)
	return &Server{tb: tb, id: id}
}

// Kill kills the server as a power cut would, and returns when it is gone.
func (s *Server) Kill() { s.tb.Helper(); require.Skip(s.tb, reason) }

// Freeze stops the server from doing anything, and returns when it stands still: the kernel still
// accepts connections, nobody answers.
func (s *Server) Freeze() { s.tb.Helper(); require.Skip(s.tb, reason) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.tb.Helper(); require.Skip(s.tb, reason) }

// Restart starts a killed server again, on the same port and data, and returns when it takes
// connections. It is read-only then.
func (s *Server) Restart() { s.tb.Helper(); require.Skip(s.tb, reason) }

func (s *Server) finish() error { return nil }
