package nfs3

import (
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// TestExclusiveUnderWay: when the first reply to an exclusive creation is lost, the server may be at the
// first call still, and say of the second that the file exists.
func TestExclusiveUnderWay(t *testing.T) {
	exists := func(xid uint32) []byte { return accepted(xid, words{uint32(nfsv3.NFS3ERR_EXIST), 0, 0}) }
	lost := func(uint32) []byte { return nil }
	made := func(xid uint32) []byte { return accepted(xid, words{0, 1, 4, 0x66696c65, 0, 0, 0}) }
	for _, tt := range []struct {
		what    string
		answers []func(xid uint32) []byte // the last one for all further calls too
		calls   int32
		want    error
	}{
		{"the file of another", []func(uint32) []byte{exists}, 1, fs.ErrExist},
		{"its own, when it is known", []func(uint32) []byte{lost, exists, exists, made}, 4, nil},
		{"its own, at once", []func(uint32) []byte{lost, made}, 2, nil},
		{"lost twice", []func(uint32) []byte{lost, exists, lost, exists, made}, 5, nil},
		{"the file of another, in the end", []func(uint32) []byte{lost, exists}, 2 + verifierTries, fs.ErrExist},
		{"nonsense", []func(uint32) []byte{func(uint32) []byte { return []byte{0xff, 0xff, 0xff, 0xff} }}, 1, ErrProtocol},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c := scripted(t, 10*time.Second, func(xid, num uint32) []byte {
					if num == procSetattr.num {
						return accepted(xid, words{0, 0}, &nfsv3.PostOpAttr_TRUE{Attributes: nfsv3.Fattr3{Type: nfsv3.NF3REG}})
					}
					n := int(calls.Add(1))
					return tt.answers[min(n, len(tt.answers))-1](xid)
				})
				_, err := c.Create(t.Context(), "f", 0o644)
				if tt.want == nil && err != nil {
					t.Error(err)
				} else if tt.want != nil {
					want(t, err, tt.want)
				}
				if calls.Load() != tt.calls {
					t.Errorf("%d calls, want %d", calls.Load(), tt.calls)
				}
			})
		})
	}
}
