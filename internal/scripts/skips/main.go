// Command skips reads the output of go test -json and prints what go test without -v prints, and
// besides that each test that was skipped, with its reason, before the line of its package. It ends
// with status 1 when a test, a build or go test itself failed.
//
//	go test -json ./... | skips
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	ok, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "skips:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// An event is one line of test2json; see go doc test2json.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

type test struct{ pkg, name string }

// maxOutput bounds what is kept of one running test; of longer output the end is kept, where a
// failure is.
const maxOutput = 1 << 20

// report copies what matters from r to w; ok tells whether everything passed.
func report(r io.Reader, w io.Writer) (ok bool, err error) {
	ok = true
	out := bufio.NewWriter(w)
	running := make(map[test]*bytes.Buffer) // output of tests, and with an empty name, of packages
	skipped := make(map[string][]string)    // by package
	in := bufio.NewReader(r)
	for {
		line, rerr := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if line[0] != '{' || json.Unmarshal(line, &e) != nil {
				e = event{Action: "build-output", Output: string(line)}
			}
			if !handle(out, e, running, skipped) {
				ok = false
			}
			if err := out.Flush(); err != nil {
				return ok, err
			}
		}
		if errors.Is(rerr, io.EOF) {
			break
		}
		if rerr != nil {
			return ok, rerr
		}
	}
	if len(running) > 0 {
		ok = false // go test ended in the middle
		for t, buf := range running {
			fmt.Fprintf(out, "%s %s did not end\n%s", t.pkg, t.name, buf)
		}
	}
	return ok, out.Flush()
}

// handle returns false when the event is a failure. Errors of w are kept by its buffer.
func handle(w *bufio.Writer, e event, running map[test]*bytes.Buffer, skipped map[string][]string) bool {
	key := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "build-fail":
		return false
	case "start", "run":
		running[key] = new(bytes.Buffer)
	case "output":
		buf := running[key]
		if buf == nil {
			fmt.Fprint(w, e.Output)
			break
		}
		if buf.Len()+len(e.Output) > maxOutput {
			buf.Next(min(buf.Len(), max(len(e.Output), maxOutput/2)))
		}
		buf.WriteString(e.Output)
	case "skip":
		if e.Test != "" {
			skipped[e.Package] = append(skipped[e.Package], fmt.Sprintf("    skipped: %s: %s\n", e.Test, reason(running[key])))
			delete(running, key)
			break
		}
		fallthrough // a package without tests
	case "pass", "fail":
		buf := running[key]
		delete(running, key)
		if buf == nil {
			buf = new(bytes.Buffer)
		}
		switch {
		case e.Test == "":
			for _, s := range skipped[e.Package] {
				fmt.Fprint(w, s)
			}
			delete(skipped, e.Package)
			if e.Action == "fail" {
				fmt.Fprint(w, buf)
			} else {
				fmt.Fprint(w, lastLine(buf.String()))
			}
		case e.Action == "fail":
			fmt.Fprint(w, buf)
		}
		return e.Action != "fail"
	}
	return true
}

// reason takes what a skipped test said, without file names and the frame of go test.
func reason(buf *bytes.Buffer) string {
	if buf == nil {
		return "no reason"
	}
	var said []string
	for line := range strings.Lines(buf.String()) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if file, text, ok := strings.Cut(line, ": "); ok && strings.Contains(file, ".go:") {
			line = text
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return "no reason"
	}
	return strings.Join(said, " ")
}

// lastLine returns the line that go test prints about a package that passed.
func lastLine(s string) string {
	trimmed := strings.TrimSuffix(s, "\n")
	return trimmed[strings.LastIndexByte(trimmed, '\n')+1:] + "\n"
}
