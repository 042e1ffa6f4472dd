//go:build linux

package nfsjudge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree lists what is below a folder, with its permissions.
func tree(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		if err == nil && p != dir {
			names = append(names, strings.TrimPrefix(p, dir)+" "+info.Mode().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
