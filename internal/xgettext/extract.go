package xgettext

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// Extract returns the messages of the Go files at the top of files, tests left out, and of the
// templates below templates/, sorted. Every file and call that cannot be read is in the error.
func Extract(files fs.FS) ([]Message, error) {
	set := messageSet{}
	var errs []error
	sources, err := fs.Glob(files, "*.go")
	errs = append(errs, err)
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := fs.ReadFile(files, name)
		if err == nil {
			err = set.source(name, src)
		}
		errs = append(errs, err)
	}
	pages, err := fs.Glob(files, "templates/*.html")
	errs = append(errs, err)
	for _, name := range pages {
		src, err := fs.ReadFile(files, name)
		if err == nil {
			err = set.page(name, string(src))
		}
		errs = append(errs, err)
	}
	return set.sorted(), errors.Join(errs...)
}

// translators begins a comment that goes into the catalog.
const translators = "Translators:"

// source adds the messages of a Go file: x.t(id, …), x.n(one, many, …), and x.plural(one, many, …)
// where the plural is chosen by another number than is shown.
func (s messageSet) source(name string, src []byte) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	// notes holds comments for translators by the line behind them.
	notes := map[int]string{}
	for _, group := range file.Comments {
		if text := strings.Join(strings.Fields(group.Text()), " "); strings.HasPrefix(text, translators) {
			notes[fset.Position(group.End()).Line+1] = strings.TrimSpace(strings.TrimPrefix(text, translators))
		}
	}
	var errs []error
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncDecl); ok && slices.Contains([]string{"t", "n", "plural"}, f.Name.Name) {
			return false // they pass on what they are given
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		forms := map[string]int{"t": 1, "n": 2, "plural": 2}[method.Sel.Name]
		if forms == 0 {
			return true
		}
		at := fset.Position(call.Pos())
		var texts [2]string
		for i := range forms {
			if i >= len(call.Args) {
				errs = append(errs, fmt.Errorf("%s: %s is called without a sentence", at, method.Sel.Name))
				return true
			}
			lit, ok := call.Args[i].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				errs = append(errs, fmt.Errorf("%s: the sentence given to %s is not a string literal, so nobody can translate it", at, method.Sel.Name))
				return true
			}
			if texts[i], err = strconv.Unquote(lit.Value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", at, err))
				return true
			}
		}
		s.add(texts[0], texts[1], path.Base(name), notes[at.Line])
		return true
	})
	return errors.Join(errs...)
}

// page adds the messages of a template file.
func (s messageSet) page(name, src string) error {
	// The functions are never called; the parser must only know their names.
	dummy := func(...any) string { return "" }
	t, err := template.New(path.Base(name)).Funcs(template.FuncMap{"t": dummy, "tn": dummy}).Parse(src)
	if err != nil {
		return err
	}
	var errs []error
	for _, part := range t.Templates() {
		if part.Tree == nil || part.Tree.Root == nil {
			continue
		}
		walk(part.Tree.Root, func(c *parse.CommandNode) {
			if len(c.Args) == 0 {
				return
			}
			function, ok := c.Args[0].(*parse.IdentifierNode)
			if !ok {
				return
			}
			forms := map[string]int{"t": 1, "tn": 2}[function.Ident]
			var texts [2]string
			for i := range forms {
				text, ok := argument(c.Args, i+1)
				if !ok {
					errs = append(errs, fmt.Errorf("%s: {{%s}} has a sentence that is not a string literal, so nobody can translate it", name, c))
					return
				}
				texts[i] = text
			}
			if forms > 0 {
				s.add(texts[0], texts[1], name, "")
			}
		})
	}
	return errors.Join(errs...)
}

func argument(args []parse.Node, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	s, ok := args[i].(*parse.StringNode)
	if !ok {
		return "", false
	}
	return s.Text, true
}

// walk calls visit for every command in a template's tree, those within parentheses too.
func walk(n parse.Node, visit func(*parse.CommandNode)) {
	pipe := func(p *parse.PipeNode) {
		if p == nil {
			return
		}
		for _, c := range p.Cmds {
			walk(c, visit)
		}
	}
	list := func(l *parse.ListNode) {
		if l == nil {
			return
		}
		for _, each := range l.Nodes {
			walk(each, visit)
		}
	}
	branch := func(b *parse.BranchNode) {
		pipe(b.Pipe)
		list(b.List)
		list(b.ElseList)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		list(n)
	case *parse.ActionNode:
		pipe(n.Pipe)
	case *parse.PipeNode:
		pipe(n)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		pipe(n.Pipe)
	case *parse.CommandNode:
		visit(n)
		for _, a := range n.Args {
			walk(a, visit)
		}
	case *parse.ChainNode:
		walk(n.Node, visit)
	}
}
