//go:build unix

package xo

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

// TestReadFilePipe: to open a named pipe would wait for somebody to write into it.
func TestReadFilePipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.xo")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(context.Background(), pipe, nil); !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: "zip.not_zip"}) {
		t.Error(err)
	}
}
