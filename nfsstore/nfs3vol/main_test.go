package nfs3vol

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/url"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is of the server's export.
func config(t testing.TB, server *testnfs.Server) Config {
	t.Helper()
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open returns a volume of the server's export.
func open(t testing.TB, server *testnfs.Server) *Vol {
	t.Helper()
	v, err := New(config(t, server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// write makes a file and its name safe.
func write(t testing.TB, v *Vol, name string, b []byte) {
	t.Helper()
	ctx := t.Context()
	w, err := v.Create(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return w.Write(ctx, b) }, w.Sync, w.Close,
		func(ctx context.Context) error { return v.Persist(ctx, name, true) },
	} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// content returns size bytes that depend on seed.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.NewChaCha8(key).Read(b) // it never fails
	return b
}
