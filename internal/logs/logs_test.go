package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/logs"
)

func ExampleNew() {
	ctx := context.Background()
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	log := logs.New(os.Stderr, "json", level)
	fmt.Println(log.Enabled(ctx, slog.LevelInfo), log.Enabled(ctx, slog.LevelWarn))
	// Output: false true
}

func TestLevelChanges(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := logs.New(&out, "auto", level).With("part", "x")
	log.Debug("hidden")
	if out.Len() > 0 {
		t.Errorf("it wrote %s", out.String())
	}
	level.Set(slog.LevelDebug)
	log.Debug("seen", "n", 1)
	var got struct {
		Level, Message, Part, Time string
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if got.Level != "debug" || got.Message != "seen" || got.Part != "x" || got.Time == "" {
		t.Errorf("it wrote %s", out.String())
	}
	out.Reset()
	if log.WithGroup("g").Debug("seen", "n", 1); !strings.Contains(out.String(), `"g.n":1`) {
		t.Errorf("a group writes %s", out.String())
	}
	level.Set(slog.LevelError)
	if log.WithGroup("g").Enabled(t.Context(), slog.LevelWarn) {
		t.Error("a group keeps the level of before")
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	logs.New(&out, "text", slog.LevelInfo).Info("the library is open", "seq", 7)
	if got := out.String(); !strings.Contains(got, "the library is open") || !strings.Contains(got, "seq=7") || strings.HasPrefix(got, "{") {
		t.Errorf("it wrote %q", got)
	}
}
