package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/replica"
)

// keyFile is where the key of tokens is kept that no setting gives.
const keyFile = "session.key"

// sessionKeys returns the keys of the tokens by which writers see what they wrote.
func sessionKeys(c *config) (keys [][]byte, err error) {
	for _, key := range settings.Fields(c.siteKeys.Text()) {
		keys = append(keys, []byte(key))
	}
	if len(keys) > 0 {
		return keys, nil
	}
	path := filepath.Join(c.dataDir, keyFile)
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path)
	}
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The key of tokens in " + path + " cannot be used.", Err: err}
	}
	return [][]byte{key}, nil
}

// makeKey makes the file unless another process does so first; whole, or not at all.
func makeKey(path string) (_ []byte, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+keyFile+".new-*") // for this account alone
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(rand.Text() + rand.Text())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

type primaryKey struct{}

// onPrimary returns a context whose reads the primary answers, not a replica that may lag.
func onPrimary(ctx context.Context) context.Context {
	return context.WithValue(ctx, primaryKey{}, true)
}

// Read heeds what onPrimary asks for.
func (c *cluster) Read(ctx context.Context) *sql.DB {
	if ctx.Value(primaryKey{}) != nil {
		return c.Router.Write(ctx)
	}
	return c.Router.Read(ctx)
}

// attach returns a context whose reads see what a replica token covers.
func (h *house) attach(ctx context.Context, token string) context.Context {
	if h.router == nil {
		return ctx
	}
	t, err := replica.ParseToken(token)
	if err != nil || token == "" {
		return onPrimary(ctx)
	}
	s := replica.NewSession()
	s.Observe(t)
	return replica.WithSession(ctx, s)
}

// session returns a context for writes, and a function for the token that covers them.
func (h *house) session(ctx context.Context) (context.Context, func() string) {
	if h.router == nil {
		return ctx, func() string { return "" }
	}
	s := replica.NewSession()
	return replica.WithSession(ctx, s), func() string { return s.Token().String() }
}
