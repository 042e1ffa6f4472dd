package nfsstore

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// Where the server takes root for nobody, root cannot store in the folder of another user, and is told
// where to look; that user can do everything.
func TestRootSquash(t *testing.T) {
	server := testnfs.Ganesha(t, &testnfs.Options{RootSquash: true})
	if err := errors.Join(os.Chown(server.Dir(), 1000, 1000), os.Chmod(server.Dir(), 0o755)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), server.URL(), nil)
	if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "check the export") {
		t.Errorf("Open as root: %v, want ErrReadOnly", err)
	}
	if err == nil {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	s = openStore(t, strings.Replace(server.URL(), "uid=0&gid=0", "uid=1000&gid=1000", 1), nil)
	b := content(1, 100_000)
	mustPut(t, s, "uploads/a", b)
	if err := s.Link(t.Context(), "uploads/a", "public/a"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), "uploads/a"); err != nil {
		t.Error(err)
	}
	mustHold(t, s, "public/a", b)
	if names := trashed(t, s); len(names) != 1 {
		t.Errorf("in the trash is %q", names)
	}
}
