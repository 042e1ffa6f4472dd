package failover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// A note that a crash of the machine has spoiled must not end the process that the guard is a part of.
func TestSpoiledNoteHoldsFailoversBack(t *testing.T) {
	c := Config{Promote: promote.Config{Mode: promote.Strict, ReplicationUser: "copier"}, Automatic: true, Folder: t.TempDir()}
	for _, name := range []string{"a", "b", "c"} {
		// Nobody is there.
		c.Promote.Nodes = append(c.Promote.Nodes, promote.Node{Name: name, DSN: "u:p@tcp(127.0.0.1:1)/", Address: name + ":3306"})
	}
	note := filepath.Join(c.Folder, recordName)
	if err := os.WriteFile(note, []byte("\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := guard(t, c)
	w.await("the guard says that it cannot read the note", func(s Status) bool { return strings.Contains(s.Held, recordName+" cannot be read") })
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	w.await("the guard goes on without it", func(s Status) bool { return strings.Contains(s.Held, "has not seen yet which server is the primary") })
}
