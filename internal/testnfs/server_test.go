package testnfs

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// A program that nobody here wrote must find the export, also after a restart.
func TestGanesha(t *testing.T) {
	s := Ganesha(t, nil)
	if _, err := url.Parse(s.URL()); err != nil {
		t.Fatal(err)
	}
	list := func() {
		t.Helper()
		cmd, path := s.Command(require.Tool(t, "nfs-ls"), "nfs://127.0.0.1"+export)
		out, err := cmd.CombinedOutput()
		if err != nil || path != export {
			t.Fatalf("nfs-ls: %v\n%s", err, out)
		}
		t.Logf("%s", out)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "there"), []byte("yes"), 0o644); err != nil {
		t.Fatal(err)
	}
	list()
	s.Kill()
	s.Start()
	list()
	s.Stop()
	s.Cont()
	list()
}
