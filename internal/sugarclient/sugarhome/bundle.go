package sugarhome

import (
	"archive/zip"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Bundle describes a small activity.
type Bundle struct {
	ID      string
	Name    string // also the name of its folder, where it is made of ASCII letters
	Version string
	Exec    string            // "sugar-activity3 hello.Hello" if ""
	Files   map[string]string // more files, by path below the activity's folder
}

// Folder returns the name of the activity's folder.
func (b Bundle) Folder() string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, b.Name)
	if plain == "" {
		plain = "Test"
	}
	return plain + ".activity"
}

func (b Bundle) files() map[string]string {
	exec := b.Exec
	if exec == "" {
		exec = "sugar-activity3 hello.Hello"
	}
	files := map[string]string{
		"activity/activity.info": fmt.Sprintf("[Activity]\nname = %s\nbundle_id = %s\nactivity_version = %s\nexec = %s\nicon = hello\nlicense = GPLv3+\nsummary = A test\n", b.Name, b.ID, b.Version, exec),
		"activity/hello.svg":     `<svg xmlns="http://www.w3.org/2000/svg" width="55" height="55"><rect width="40" height="40" fill="#FFFFFF" stroke="#010101"/></svg>` + "\n",
		"hello.py":               "# version " + b.Version + "\n",
	}
	maps.Copy(files, b.Files)
	return files
}

// Pack returns the bundle as a .xo. Equal bundles give equal bytes.
func (b Bundle) Pack() ([]byte, error) {
	files := b.files()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(b.Folder() + "/" + name)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// unpack writes the bundle's files below dir, as an installed activity lies there.
func (b Bundle) unpack(dir string) error {
	for name, text := range b.files() {
		path := filepath.Join(dir, b.Folder(), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
