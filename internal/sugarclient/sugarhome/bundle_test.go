package sugarhome

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestPack(t *testing.T) {
	b := Bundle{ID: "org.example.Foo", Name: "Foo ñ", Version: "2", Files: map[string]string{"data/x.txt": "x"}}
	one, err := b.Pack()
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.Pack()
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("packed twice differs, or %v", err)
	}
	z, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if got := fmt.Sprint(names); got != "[Foo.activity/activity/activity.info Foo.activity/activity/hello.svg Foo.activity/data/x.txt Foo.activity/hello.py]" {
		t.Error(got)
	}
	dir := t.TempDir()
	if err := b.unpack(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "Foo.activity", "data", "x.txt")); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFolder(t *testing.T) {
	for name, want := range map[string]string{"Foo": "Foo.activity", "Foo Bar!": "FooBar.activity", "ñ": "Test.activity"} {
		if got := (Bundle{Name: name}).Folder(); got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}
