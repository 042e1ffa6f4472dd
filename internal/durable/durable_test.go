package durable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/durable"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first", "", "a longer one"} {
		if err := durable.Replace(path, text(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("there is %q, %v; want %q", got, err, content)
		}
	}
	if d := cmp.Diff([]string{"file"}, names(t, dir)); d != "" {
		t.Errorf("left behind (-want +got)\n%s", d)
	}
}

// TestReplaceShowsWholeFiles: while a file is written, and when writing it fails, what was there
// stays.
func TestReplaceShowsWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := durable.Replace(path, text("old")); err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	err := durable.Replace(path, func(w io.Writer) error {
		if err := text("half")(w); err != nil {
			return err
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
			t.Errorf("in the middle there is %q, %v", got, err)
		}
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("after the fault there is %q, %v", got, err)
	}
	if d := cmp.Diff([]string{"file"}, names(t, dir)); d != "" {
		t.Errorf("left behind (-want +got)\n%s", d)
	}
}

func TestReplaceFaults(t *testing.T) {
	dir := t.TempDir()
	if err := durable.Replace(filepath.Join(dir, "absent", "file"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without its folder: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(filepath.Join(dir, "folder"), text("x")); err == nil {
		t.Error("a folder was replaced with a file")
	}
	if d := cmp.Diff([]string{"folder"}, names(t, dir)); d != "" {
		t.Errorf("left behind (-want +got)\n%s", d)
	}
	if err := durable.SyncDir(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SyncDir of nothing: %v", err)
	}
}

// TestReplaceAtOnce: whoever wins, the file is one of those that were written.
func TestReplaceAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			content := strings.Repeat(fmt.Sprint(i), 10_000)
			for range 5 {
				if err := durable.Replace(path, text(content)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	if err != nil || len(got) != 10_000 || strings.Trim(string(got), string(got[:1])) != "" {
		t.Errorf("there are %d bytes, %v; they are not of one writer", len(got), err)
	}
	if d := cmp.Diff([]string{"file"}, names(t, dir)); d != "" {
		t.Errorf("left behind (-want +got)\n%s", d)
	}
}

// TestReplaceSweeps: what killed processes have left goes, but neither what another process may be
// writing just now nor what belongs to another file.
func TestReplaceSweeps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	old := time.Now().Add(-2 * time.Hour)
	for name, age := range map[string]time.Time{
		".file.new-1": old, ".file.new-2": time.Now(), ".file2.new-1": old, ".other.new-1": old, "file.new-1": old,
	} {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte("leftover"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, age, age); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Replace(path, text("x")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{".file.new-2", ".file2.new-1", ".other.new-1", "file", "file.new-1"}, names(t, dir)); d != "" {
		t.Errorf("there is (-want +got)\n%s", d)
	}
}
