package nfs3vol

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
	"github.com/sugarlabs/beamrider/nfsstore/voltest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	voltest.Run(t, func(t testing.TB) vol.Vol {
		sub, err := os.MkdirTemp(server.Dir(), "vol")
		if err != nil {
			t.Fatal(err)
		}
		c := config(t, server)
		c.Export += "/" + filepath.Base(sub)
		v, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		return v
	})
}
