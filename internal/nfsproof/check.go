package nfsproof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Finding is what a check found in a folder after a power cut.
type Finding struct {
	Acked    int      `json:"acked"`    // names that were acknowledged, at last as there or as gone
	Missing  int      `json:"missing"`  // acknowledged as there, and not there
	Damaged  int      `json:"damaged"`  // there with other content, acknowledged or not
	Returned int      `json:"returned"` // acknowledged as gone, and there
	Files    int      `json:"files"`    // names that are there
	Examples []string `json:"examples,omitempty"`
}

// Broken reports whether a promise was broken.
func (f *Finding) Broken() bool { return f.Missing+f.Damaged+f.Returned > 0 }

func (f *Finding) String() string {
	return fmt.Sprintf("%d acknowledged, %d missing, %d damaged, %d back after they were removed", f.Acked, f.Missing, f.Damaged, f.Returned)
}

const mostExamples = 10

func (f *Finding) example(format string, args ...any) {
	if len(f.Examples) < mostExamples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// Check compares a folder with what was acknowledged. Names that begin with a dot are the store's own.
func Check(dir string, acks []Ack) (*Finding, error) {
	f := &Finding{Acked: len(acks)}
	there := make(map[string]bool)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(e.Name(), "."), e.Name() == "lost+found":
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case e.IsDir():
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		there[filepath.ToSlash(name)] = true
		f.Files++
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		err = errors.Join(Verify(name, file), file.Close())
		if errors.Is(err, ErrDamaged) {
			f.Damaged++
			f.example("%v", err)
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, a := range acks {
		switch {
		case a.Undecided:
		case a.Gone && there[a.Name]:
			f.Returned++
			f.example("%s is back", a.Name)
		case !a.Gone && !there[a.Name]:
			f.Missing++
			f.example("%s is missing", a.Name)
		}
	}
	return f, nil
}
