package nfsproof

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A mount remembers for up to a minute what it did not find, unless lookupcache=positive is among its
// options. A store on it does not.
func TestAbsentFileComesOnAnotherMachine(t *testing.T) {
	t.Parallel()
	b := bench(t)
	s, err := b.Serve(t.Context(), Knfsd, newDisk(t))
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, s.Guest)
	client, err := s.Client(t.Context(), 1, "vers=3,proto=tcp,mountproto=tcp,nolock,hard,acdirmin=300,acdirmax=300")
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, client)
	look := func(name, want string) {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := client.Command(t.Context(), b.Worker, "look", "-dir", "/mnt/n", "-name", name)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatal(err, errs.String())
		}
		if got := strings.TrimSpace(out.String()); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	shell(t, s.Guest, "mkdir -p "+exported+"/a/b")
	// In a folder that is known, and in one that is remembered as absent itself.
	names := []string{"a/b/c", "x/y/z"}
	for _, name := range names {
		look(name, "absent")
	}
	shell(t, s.Guest, fmt.Sprintf("cd %s; mkdir -p x/y; echo > a/b/c; echo > x/y/z", exported))
	// Other programs are told what the client remembers, or else this proves nothing.
	for _, name := range names {
		if got := shell(t, client, fmt.Sprintf("if test -e /mnt/n/%s; then echo there; else echo absent; fi", name)); got != "absent" {
			t.Errorf("the client itself says that %s is %s, want absent", name, got)
		}
	}
	for _, name := range names {
		look(name, "there")
	}
	for _, name := range []string{"a/b/d", "x/d/e", "w"} {
		look(name, "absent")
	}
}
