// Package require decides what a test does when something it needs is absent: a developer's
// machine skips with a reason, a machine that promised to have everything (BEAMRIDER_REQUIRE=1,
// set by .ci/run) fails. Without the switch a missing server would turn a whole suite green.
package require

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Env names the switch that turns skips into failures.
const Env = "BEAMRIDER_REQUIRE"

// Strict reports whether absent tools must fail a test.
func Strict() bool { return os.Getenv(Env) == "1" }

// Skip skips the test with reason, or fails it when Strict.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if Strict() {
		t.Fatalf("%s (and %s=1 forbids skipping)", reason, Env)
	}
	t.Skip(reason)
}

// Tool returns the path of the named program, as [Find] does; when the program is absent it calls Skip.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := Find(name)
	if err != nil {
		Skip(t, err.Error())
	}
	return path
}

// Find returns the path of the named program. It looks in PATH and in the sbin folders, where Debian
// keeps servers.
func Find(name string) (string, error) {
	for _, file := range []string{name, "/usr/sbin/" + name, "/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(file); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is not installed", name)
}
