package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/rs/zerolog"

	"github.com/sugarlabs/beamrider/internal/progress"
)

// newLog makes the logger of the process; libraries write to it through slog.
func newLog(c *config, w io.Writer) *slog.Logger {
	level, err := zerolog.ParseLevel(c.logLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	if c.logFormat == "text" || c.logFormat == "auto" && progress.Terminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !progress.Terminal(w)}
	}
	return slog.New(zerolog.NewSlogHandler(zerolog.New(w).Level(level).With().Timestamp().Logger()))
}
