package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/require"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDrill(t *testing.T) {
	require.Tool(t, "mariadbd")
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	rest := out.String()
	for _, line := range []string{
		"Three database servers start",
		"The guard watches. If a is lost,",
		"Now a is killed",
		"The guard: a is lost;",
		"The programs write again",
		"The power of a is back",
		"a copies from ",
		"of those, 0 are lost.",
		"refused; 0 of them had happened.",
		"All three servers have the same rows.",
	} {
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Fatalf("%q does not come where it should in\n%s", line, &out)
		}
		rest = after
	}
}

func TestDrillIsGivenUp(t *testing.T) {
	require.Tool(t, "mariadbd")
	ctx, cancel := context.WithCancel(t.Context())
	var out stopper
	out.at, out.stop = "Eight programs write", cancel
	if err := run(ctx, &out); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a drill that was given up\n%s", err, &out)
	}
}

// A stopper stops the drill when it prints something.
type stopper struct {
	bytes.Buffer
	at   string
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.at) {
		s.stop()
	}
	return s.Buffer.Write(p)
}
