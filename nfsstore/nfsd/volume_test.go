//go:build linux

package nfsd

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"

	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
	"github.com/sugarlabs/beamrider/nfsstore/voltest"
)

// TestVolume runs the contract of volumes on this server.
func TestVolume(t *testing.T) {
	for name, tune := range modes {
		t.Run(name, func(t *testing.T) {
			var s *site
			if os.Geteuid() == 0 {
				dir := t.TempDir() // in memory, where syncs cost nothing
				mountTmpfs(t, dir, "size=64m")
				s = start(t, func(c *Config) { c.Exports[0].Dir = dir }, tune)
			} else {
				s = start(t, nil, tune)
			}
			voltest.Run(t, func(t testing.TB) vol.Vol {
				sub, err := os.MkdirTemp(s.dir, "vol")
				if err != nil {
					t.Fatal(err)
				}
				v, err := nfs3vol.New(nfs3vol.Config{
					Host: "127.0.0.1", NFSPort: s.port(), MountPort: s.port(),
					Export: exportName + "/" + filepath.Base(sub),
				})
				if err != nil {
					t.Fatal(err)
				}
				return v
			})
		})
	}
}

// TestExclusiveTwice sends each exclusive creation twice at one time, under two numbers, as a client
// does whose connection broke: both must succeed.
func TestExclusiveTwice(t *testing.T) {
	s := start(t, nil, nil)
	a, b := s.raw(root), s.raw(root)
	dir := a.root()
	for i := range 100 {
		file := text(string(rune('a'+i%26)) + string(rune('a'+i/26)))
		how := &nfsv3.Createhow3_EXCLUSIVE{Verf: [8]byte{1, byte(i)}}
		var wg sync.WaitGroup
		for _, c := range []*raw{a, b} {
			wg.Go(func() {
				if stat := first(c.nfs(8, dir, file, how)); stat != 0 {
					t.Errorf("%s: %s", file, name(stat))
				}
			})
		}
		wg.Wait()
	}
}
