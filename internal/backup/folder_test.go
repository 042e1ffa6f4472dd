package backup_test

import (
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/backup"
)

// TestApart: wherever the files of a library are, they are not backed up onto themselves.
func TestApart(t *testing.T) {
	files, other := t.TempDir(), t.TempDir()
	for _, c := range []struct {
		from, to string
		fails    bool
	}{
		{files, other, false},
		{files, filepath.Join(other, "absent"), false},
		{files, files, true},
		{"file://" + files, other, false},
		{"file://" + files, files, true},
		{"nfs://10.0.0.11/srv/remora", other, false},
		{filepath.Join(files, "absent"), other, true},
	} {
		if err := backup.Apart(c.from, c.to); (err != nil) != c.fails {
			t.Errorf("from %s to %s: %v", c.from, c.to, err)
		}
	}
}
