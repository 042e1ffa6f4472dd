//go:build linux

package posixjudge

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// dirEnv names the folder to judge. Without it the tests judge a temporary one, which shows that they
// can be passed, but for those that their authors leave out, and one of what ext4 does not do.
const dirEnv = "BEAMRIDER_POSIX_DIR"

var leftOut = []string{"FcntlFlockLocksFile", "OpenSymlinkRace", "XAttrLarge"}

// A verdict is printed for each test.
type verdict struct {
	Posix  string `json:"posix"`
	Result string `json:"result"` // pass, fail or skip
}

func TestPosix(t *testing.T) {
	parent := os.Getenv(dirEnv)
	local := parent == ""
	if local {
		parent = t.TempDir()
	}
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		if local && slices.Contains(leftOut, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp(parent, "posix-")
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				v := verdict{name, "pass"}
				switch {
				case t.Failed():
					v.Result = "fail"
				case t.Skipped():
					v.Result = "skip"
				}
				line, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Printf("\n%s\n", line)
				// A file system that is judged may well be unable to; it is not what was asked.
				if err := os.RemoveAll(dir); err != nil {
					t.Log(err)
				}
			}()
			posixtest.All[name](t, dir)
		})
	}
}
