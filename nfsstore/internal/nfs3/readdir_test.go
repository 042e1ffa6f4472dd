package nfs3

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What is read of an entry is what the generated readers read, which are slower.
func TestReadEntryParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "bytes")
		if len(in) > 3 && rapid.Bool().Draw(t, "there") {
			copy(in, []byte{0, 0, 0, 1})
		}
		fast, slow := bytes.NewReader(in), bytes.NewReader(in)
		got, err := readPostOpAttr(fast)
		want, _, werr := nfsv3.ReadPostOpAttr(slow)
		if (err == nil) != (werr == nil) {
			t.Fatalf("the errors are %v and %v", err, werr)
		}
		if err != nil {
			return
		}
		var attr *nfsv3.Fattr3
		if a, is := want.(*nfsv3.PostOpAttr_TRUE); is {
			attr = &a.Attributes
		}
		if diff := cmp.Diff(attr, got); diff != "" || fast.Len() != slow.Len() {
			t.Fatalf("%d and %d bytes are left (-want +got):\n%s", slow.Len(), fast.Len(), diff)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.SliceOfN(rapid.Byte(), 0, nfsv3.NFS3_FHSIZE).Draw(t, "handle")
		var b bytes.Buffer
		if _, err := (&nfsv3.PostOpFh3_TRUE{Handle: nfsv3.NfsFh3{Data: h}}).WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		short := bytes.NewReader(b.Bytes()[:b.Len()-1])
		if err := skipPostOpHandle(short); err == nil {
			t.Fatal("half a handle is passed over")
		}
		b.WriteString("rest")
		r := bytes.NewReader(b.Bytes())
		if err := skipPostOpHandle(r); err != nil || r.Len() != 4 {
			t.Fatalf("%d bytes are left of 4: %v", r.Len(), err)
		}
	})
	for _, in := range []words{{2}, {1, 65, 0}, {1, 1 << 31}} {
		if err := skipPostOpHandle(bytes.NewReader(append(in.bytes(), make([]byte, 100)...))); err == nil {
			t.Errorf("%v is passed over", in)
		}
	}
	if err := skipPostOpHandle(bytes.NewReader(words{0}.bytes())); err != nil {
		t.Errorf("no handle: %v", err)
	}
}

// The next page is asked for while the names of the one before it are looked at; one that stops looking
// does not wait for it.
func TestNextPageIsAskedForEarly(t *testing.T) {
	for _, stop := range []bool{false, true} {
		var calls atomic.Int32
		second, looked := make(chan struct{}), make(chan struct{})
		c := scripted(t, time.Minute, func(xid, _ uint32) []byte {
			cookie, eof := uint32(calls.Add(1)), uint32(0)
			if cookie == 2 {
				close(second)
				<-looked
				eof = 1
			}
			return accepted(xid, words{0, 0, 1, 2, 1, 0, 42, 1, ('a' + cookie) << 24, 0, cookie, 1},
				&nfsv3.Fattr3{Type: nfsv3.NF3REG, Mode: 0o644}, words{0, 0, eof})
		})
		var names []string
		for info, err := range c.ReadDir(t.Context(), ".") {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, info.Name())
			if len(names) == 2 {
				continue
			}
			select {
			case <-second:
			case <-time.After(time.Minute):
				t.Fatal("nobody asks for the second page")
			}
			if stop {
				break
			}
			close(looked)
		}
		want := []string{"b", "c"}
		if stop {
			want = want[:1]
			close(looked)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("stopping: %v (-want +got):\n%s", stop, diff)
		}
	}
}
