// Package apitest writes down what a package exports, one line each, so that a change of it is seen
// in review: the files in api/ are compared with the code by the test of this package.
package apitest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// Exported returns the exported API of the package in dir as on linux/amd64, sorted. An import path
// of the module is not needed: types are written as in the source. A package main has none.
func Exported(dir string) ([]string, error) {
	on := build.Default
	on.GOOS, on.GOARCH, on.CgoEnabled, on.BuildTags = "linux", "amd64", false, nil
	pkg, err := on.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	if pkg.IsCommand() {
		return nil, nil
	}
	w := writer{files: token.NewFileSet()}
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(w.files, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				w.function(d)
			case *ast.GenDecl:
				w.declaration(d)
			}
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	slices.Sort(w.lines)
	return w.lines, nil
}

type writer struct {
	files *token.FileSet
	lines []string
	err   error
}

func (w *writer) add(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// text prints a node on one line.
func (w *writer) text(node any) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, w.files, node); err != nil && w.err == nil {
		w.err = err
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// signature prints a function type without its "func".
func (w *writer) signature(t *ast.FuncType) string { return strings.TrimPrefix(w.text(t), "func") }

func (w *writer) function(d *ast.FuncDecl) {
	if !d.Name.IsExported() {
		return
	}
	if d.Recv == nil {
		w.add("func %s%s", d.Name, w.signature(d.Type))
		return
	}
	recv := w.text(d.Recv.List[0].Type)
	if !ast.IsExported(strings.TrimLeft(recv, "*")) {
		return // it is of interest where it fulfils an interface, and that is in the list itself
	}
	w.add("method (%s) %s%s", recv, d.Name, w.signature(d.Type))
}

func (w *writer) declaration(d *ast.GenDecl) {
	var repeated *ast.ValueSpec // what a constant without a value repeats
	for n, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				w.typ(spec)
			}
		case *ast.ValueSpec:
			if d.Tok == token.CONST && spec.Type == nil && spec.Values == nil && repeated != nil {
				spec = &ast.ValueSpec{Names: spec.Names, Type: repeated.Type, Values: repeated.Values}
			} else {
				repeated = spec
			}
			w.values(d.Tok, spec, n)
		}
	}
}

func (w *writer) values(tok token.Token, spec *ast.ValueSpec, n int) {
	for i, name := range spec.Names {
		if !name.IsExported() {
			continue
		}
		line := tok.String() + " " + name.Name
		if spec.Type != nil {
			line += " " + w.text(spec.Type)
		}
		// The value of a constant is part of what others compile in; that of a variable is not.
		if tok == token.CONST && i < len(spec.Values) {
			value := w.text(spec.Values[i])
			if strings.Contains(value, "iota") {
				value += fmt.Sprintf(" with iota %d", n)
			}
			line += " = " + value
		}
		w.add("%s", line)
	}
}

func (w *writer) typ(spec *ast.TypeSpec) {
	name := spec.Name.Name
	head := "type " + name
	if spec.TypeParams != nil {
		var params []string
		for _, f := range spec.TypeParams.List {
			for _, p := range f.Names {
				params = append(params, p.Name+" "+w.text(f.Type))
			}
		}
		head += "[" + strings.Join(params, ", ") + "]"
	}
	if spec.Assign.IsValid() {
		head += " ="
	}
	switch t := spec.Type.(type) {
	case *ast.StructType:
		w.add("%s struct", head)
		for _, f := range t.Fields.List {
			w.field(name, f)
		}
	case *ast.InterfaceType:
		w.add("%s interface", head)
		for _, f := range t.Methods.List {
			w.method(name, f)
		}
	default:
		w.add("%s %s", head, w.text(t))
	}
}

func (w *writer) field(of string, f *ast.Field) {
	if len(f.Names) == 0 {
		if typ := w.text(f.Type); ast.IsExported(typ[strings.LastIndexAny(typ, "*.")+1:]) {
			w.add("field %s embeds %s", of, typ)
		}
		return
	}
	for _, name := range f.Names {
		if !name.IsExported() {
			continue
		}
		line := fmt.Sprintf("field %s.%s %s", of, name, w.text(f.Type))
		if f.Tag != nil {
			line += " " + f.Tag.Value
		}
		w.add("%s", line)
	}
}

func (w *writer) method(of string, f *ast.Field) {
	t, ok := f.Type.(*ast.FuncType)
	if !ok {
		w.add("method %s embeds %s", of, w.text(f.Type))
		return
	}
	for _, name := range f.Names {
		// Also those that are not exported: they say that nobody else can implement it.
		w.add("method %s.%s%s", of, name, w.signature(t))
	}
}
