package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	place, file := filepath.Join(t.TempDir(), "place"), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("from a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	do := func(in string, args ...string) (string, error) {
		var out strings.Builder
		err := run(t.Context(), args, strings.NewReader(in), &out)
		return out.String(), err
	}
	for _, args := range [][]string{{"put", place, "a/one", file}, {"put", place, "a/two", "-"}, {"put", place, "b", "-"}} {
		if _, err := do("from a pipe", args...); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := do("", "get", place, "a/one"); got != "from a file" || err != nil {
		t.Errorf("get: %q, %v", got, err)
	}
	got, err := do("", "list", place, "a")
	if err != nil || strings.Count(got, "\n") != 2 || !strings.Contains(got, "a/one") || !strings.Contains(got, "a/two") {
		t.Errorf("list: %q, %v", got, err)
	}
	if _, err := do("other", "put", place, "b", "-"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := do("", "get", place, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent name: %v", err)
	}
	if _, err := do("", "take", place); !errors.Is(err, errUsage) {
		t.Errorf("an unknown verb: %v", err)
	}
}
