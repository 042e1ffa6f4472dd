package main

import (
	"context"
	"path/filepath"

	"github.com/sugarlabs/beamrider/internal/filescmd"
	"github.com/sugarlabs/beamrider/internal/settings"
)

// files is what the commands of files work with.
func (a *app) files() *filescmd.Env {
	c := a.config
	return &filescmd.Env{
		Stdout: a.stdout, Stderr: a.stderr, Log: newLog(c, a.stderr),
		Place: c.files(), Overridden: c.origins["files.url"].From == "overrides", DataDir: c.dataDir, CopyDir: c.copyDir, Second: c.second(), Mirrors: c.mirrorURLs(),
		Told: 3 * overridesEvery,
		Override: func(values map[string]string) (string, error) {
			path := filepath.Join(c.dataDir, settings.OverridesFile)
			return path, table.Override(path, values)
		},
		Exit: func(code int) error { return &exitError{code} },
		Library: func(ctx context.Context, do func(filescmd.Library) error) error {
			return with(ctx, a, func(h *house) error { return do(h.library()) })
		},
	}
}

func (h *house) library() filescmd.Library {
	return filescmd.Library{Store: h.store, Files: h.files}
}
