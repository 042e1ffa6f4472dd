package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		main() // as the program does, which the test binary stands for
		return
	}
	os.Exit(m.Run())
}

func TestShared(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{t.TempDir()}, &out); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("(%d in all), and %d were told", names, names*(processes-1))
	if !strings.Contains(out.String(), want) {
		t.Errorf("it says %q, without %q", out.String(), want)
	}
}
