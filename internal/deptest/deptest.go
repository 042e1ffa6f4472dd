// Package deptest checks which package imports which. Rules are data with their reasons beside
// them. Source files are parsed here and not by running go list, so that the test cache, which
// watches the files a test opens, notices every change.
package deptest

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Rule forbids imports. Patterns are import paths, those of the own module without its path and
// begun with "./"; a final "/..." includes packages below.
type Rule struct {
	// In lists the packages whose imports the rule is about, except those of But.
	In, But []string
	// Only lists what they may import besides packages on which the rule says nothing: with Std
	// that is every package outside the standard library, else only those of our module. nil: no
	// such restriction; empty: nothing.
	Only []string
	// Std makes Only speak of all packages outside the standard library.
	Std bool
	// Never lists what they may not import.
	Never []string
	// Tests applies the rule to test files too.
	Tests bool
	// Reason says why; whoever breaks the rule reads it.
	Reason string
}

// A Violation is one import that a rule forbids.
type Violation struct {
	File   string // slash-separated, from the top of the module
	Line   int
	Import string
	Reason string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s:%d imports %s: %s", v.File, v.Line, v.Import, v.Reason)
}

// Check parses the imports of all Go files of the module at the top of tree and returns those that
// break a rule, in the order of files. Modules within the module, testdata and folders that the go
// command ignores are left out. The error speaks of files that cannot be parsed, and of rules whose
// In matches no package: they protect nothing.
func Check(tree fs.FS, module string, rules []Rule) ([]Violation, error) {
	var found []Violation
	used := make([]bool, len(rules))
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(tree, name)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(d.Name(), "_") || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		v, err := checkFile(name, src, module, rules, used)
		found = append(found, v...)
		return err
	})
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, ok := range used {
		if !ok {
			errs = append(errs, fmt.Errorf("rule %d (%s) is about no package there is: %q", i, rules[i].Reason, rules[i].In))
		}
	}
	return found, errors.Join(errs...)
}

// enter decides whether a folder belongs to the module.
func enter(tree fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	_, err := fs.Stat(tree, path.Join(name, "go.mod"))
	switch {
	case err == nil:
		return fs.SkipDir
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func checkFile(name string, src []byte, module string, rules []Rule, used []bool) ([]Violation, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	pkg := "./" + path.Dir(name)
	if pkg == "./." {
		pkg = "."
	}
	isTest := strings.HasSuffix(name, "_test.go")
	var found []Violation
	for i, r := range rules {
		if !matchesAny(r.In, pkg) || matchesAny(r.But, pkg) {
			continue
		}
		used[i] = true
		if isTest && !r.Tests {
			continue
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err // the parser has seen to it
			}
			if rel, ok := strings.CutPrefix(imported, module); ok && (rel == "" || rel[0] == '/') {
				imported = "." + rel
			}
			if r.forbids(imported) {
				found = append(found, Violation{name, files.Position(spec.Pos()).Line, imported, r.Reason})
			}
		}
	}
	return found, nil
}

func (r *Rule) forbids(imported string) bool {
	if matchesAny(r.Never, imported) {
		return true
	}
	if r.Only == nil || matchesAny(r.Only, imported) {
		return false
	}
	ours := imported == "." || strings.HasPrefix(imported, "./")
	first, _, _ := strings.Cut(imported, "/")
	return ours || r.Std && strings.Contains(first, ".")
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if below, ok := strings.CutSuffix(p, "/..."); ok {
			return pkg == below || strings.HasPrefix(pkg, below+"/")
		}
		return pkg == p
	})
}
