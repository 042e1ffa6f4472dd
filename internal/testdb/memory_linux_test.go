package testdb_test

import (
	"os"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testdb"
)

func TestMemoryKeepsAChoice(t *testing.T) {
	t.Setenv("TMPDIR", "/chosen")
	if err := testdb.Memory(); err != nil {
		t.Fatal(err)
	}
	if got := os.Getenv("TMPDIR"); got != "/chosen" {
		t.Errorf("TMPDIR is %q, want what was set", got)
	}
}

func TestMemoryTakesFiles(t *testing.T) {
	t.Setenv("TMPDIR", "")
	if err := testdb.Memory(); err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp("", "beamrider-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Error(err)
	}
}
