package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/rs/zerolog"

	"github.com/sugarlabs/beamrider/internal/progress"
)

// newLog makes the logger of the process; libraries write to it through slog.
func newLog(c *config, w io.Writer) *slog.Logger {
	log, _ := newLevelLog(c, w)
	return log
}

// newLevelLog also returns what changes the level while the process runs.
func newLevelLog(c *config, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	if c.logFormat == "text" || c.logFormat == "auto" && progress.Terminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !progress.Terminal(w)}
	}
	level := new(slog.LevelVar)
	level.Set(logLevel(c))
	return slog.New(leveled{zerolog.NewSlogHandler(zerolog.New(w).With().Timestamp().Logger()), level}), level
}

func logLevel(c *config) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return slog.LevelInfo // not reached: the settings know only these words
	}
	return level
}

// leveled is a handler whose level can change.
type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

func (h leveled) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(attrs), h.level}
}

func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}
