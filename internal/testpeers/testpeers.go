// Package testpeers builds the NFS programs of the module internal/peers for tests, which judge our
// client and server by what others wrote.
package testpeers

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// Build returns the path of a static program: "gonfsd" or "gonfsclient". Where its libraries are not to
// be had, the test is skipped or fails as package require decides.
func Build(t testing.TB, program string) string {
	t.Helper()
	tool := require.Tool(t, "go")
	mod, err := exec.CommandContext(t.Context(), tool, "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Dir = filepath.Join(filepath.Dir(string(bytes.TrimSpace(mod))), "internal", "peers")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		return cmd.CombinedOutput()
	}
	if out, err := run("mod", "download"); err != nil {
		require.Skip(t, "the libraries of internal/peers are not to be had: "+string(out))
	}
	file := filepath.Join(t.TempDir(), program)
	if out, err := run("build", "-o", file, "./"+program); err != nil {
		t.Fatalf("%s cannot be built: %v\n%s", program, err, out)
	}
	return file
}
