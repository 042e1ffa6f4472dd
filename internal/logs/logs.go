// Package logs makes the logger of a program. Libraries write to it through slog; what they write
// is formed by zerolog.
package logs

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/rs/zerolog"

	"github.com/sugarlabs/beamrider/internal/progress"
)

// New returns a logger that writes to w what is at or above level, which may change while the
// program runs. The format is "text" for people or "json" for programs; any other is text on a
// terminal and JSON elsewhere.
func New(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	terminal := progress.Terminal(w)
	if format == "text" || format != "json" && terminal {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !terminal}
	}
	return slog.New(leveled{zerolog.NewSlogHandler(zerolog.New(w).With().Timestamp().Logger()), level})
}

// leveled is a handler whose level can change.
type leveled struct {
	slog.Handler
	level slog.Leveler
}

func (h leveled) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(attrs), h.level}
}

func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}
