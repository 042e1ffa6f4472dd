//go:build unix

package intake_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

// TestNoFile: a pipe that is named is refused, whether or not anybody writes into it; one that lies
// in a folder is passed over.
func TestNoFile(t *testing.T) {
	top := t.TempDir()
	pipe := filepath.Join(top, "pipe.xo")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := &remora.Error{Kind: remora.KindInvalid, Code: "import.file"}
	for _, path := range []string{pipe, "/dev/null"} {
		if found, err := intake.Find(t.Context(), []string{path}); len(found) != 0 || !errors.Is(err, refused) {
			t.Errorf("%s: Find found %v, and says %v", path, found, err)
		}
	}
	if found, err := intake.Find(t.Context(), []string{top}); len(found) != 0 || err != nil {
		t.Errorf("in the folder Find found %v, and says %v", found, err)
	}
	s := newShop(t)
	if _, err := s.importer.Import(t.Context(), by, pipe, nil); !errors.Is(err, refused) {
		t.Errorf("Import says %v", err)
	}
}
