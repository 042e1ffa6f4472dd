package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/internal/systemd"
	"github.com/sugarlabs/beamrider/remora"
)

// readyPatience is how long those who want to know whether the process is ready wait for the catalog.
const readyPatience = 10 * time.Second

// settle waits until there is something to serve, but not for a database that is away where nothing
// was saved: that is for health checks to say.
func (s *server) settle(ctx context.Context) {
	if s.front == nil {
		return
	}
	select {
	case <-s.front.library.Ready():
	case <-time.After(readyPatience):
	case <-ctx.Done():
	}
}

// overridesEvery is how often a server looks whether a command has overridden a setting.
const overridesEvery = time.Second

// notify tells systemd how the process is, and reloads the configuration when asked to, or when a
// command has overridden a setting. It returns when a stop is asked for, or ctx ends.
func (s *server) notify(ctx context.Context, stop <-chan struct{}, hangups <-chan os.Signal) error {
	s.settle(ctx)
	n := &systemd.Notices{
		Log: s.log, Hangups: hangups, File: filepath.Join(s.config.dataDir, settings.OverridesFile), Every: overridesEvery,
		Reload: func() {
			if err := s.reload(ctx); err != nil {
				s.log.Error("the configuration was not reloaded; the one before stays in force", "error", explain(err))
			}
		},
	}
	n.Run(ctx, stop)
	return nil
}

// reload reads the configuration again and brings into force what can be while serving. On error
// nothing has changed.
func (s *server) reload(ctx context.Context) error {
	c, err := s.loadConfig()
	if err != nil {
		return err
	}
	// First what may fail by what is outside; the settings themselves have been checked.
	if s.house != nil && c.files() != s.inForce.files() {
		if err := s.house.files.Move(ctx, c.files(), s.log); err != nil {
			return err
		}
	}
	if s.balancer != nil {
		s.balancer.ReopenLog()
		if err := s.balancer.Set(c.backends); err != nil {
			return &remora.Error{Kind: remora.KindInvalid, Code: "config.balancer", Message: "The section balancer of the configuration has mistakes.", Err: err}
		}
	}
	s.level.Set(logLevel(c))
	if keys := table.Frozen(s.inForce.origins, c.origins); len(keys) > 0 {
		s.log.Warn("some changed settings need a restart", "settings", strings.Join(keys, ", "))
	}
	// What needs a restart stays as it was; only what was brought into force is taken over.
	now := *s.inForce
	now.backends, now.filesURL, now.logLevel = c.backends, c.filesURL, c.logLevel
	s.inForce = &now
	s.log.Info("the configuration was reloaded")
	return nil
}
