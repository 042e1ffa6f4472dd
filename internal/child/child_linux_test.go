package child_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
)

func TestProcess(t *testing.T) {
	p, err := child.Start(exec.Command("sh", "-c", "echo begun; read x; echo never"))
	if err == nil {
		err = p.Says("begun", time.Minute)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Its standard input is empty, so it ends.
	<-p.Exited()
	if err := p.Says("something else", time.Minute); err == nil || !strings.Contains(err.Error(), "never") {
		t.Errorf("an end without the words: %v", err)
	}
	if _, err := child.Start(exec.Command("/nonexistent")); err == nil {
		t.Error("what is not there was started")
	}
}

func TestFreezeAndKill(t *testing.T) {
	p, err := child.Start(exec.Command("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Freeze(); err != nil {
		t.Error(err)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	}
	if err := p.Ended(); !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
}
