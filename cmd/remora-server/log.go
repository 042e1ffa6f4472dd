package main

import (
	"io"
	"log/slog"

	"github.com/sugarlabs/beamrider/internal/logs"
)

// newLog makes the logger of the process; libraries write to it through slog.
func newLog(c *config, w io.Writer) *slog.Logger {
	log, _ := newLevelLog(c, w)
	return log
}

// newLevelLog also returns what changes the level while the process runs.
func newLevelLog(c *config, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(logLevel(c))
	return logs.New(w, c.logFormat, level), level
}

func logLevel(c *config) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return slog.LevelInfo // not reached: the settings know only these words
	}
	return level
}
