package nfs3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want Config
		bad  []string // parts of the message
	}{
		{url: "nfs://files/srv/export", want: Config{Host: "files", Export: "/srv/export"}},
		{url: "nfs://[::1]:2049/srv%20x/?uid=1&gid=4294967295&mountport=20048&timeout=1500ms", want: Config{
			Host: "::1", Export: "/srv x/", NFSPort: 2049, UID: 1, GID: 1<<32 - 1, MountPort: 20048, Timeout: 1500 * time.Millisecond,
		}},
		{url: "http://me@/?uid=-1&gid=x&mountport=65536&timeout=0s&version=4&uid=2#part", bad: []string{
			"scheme", "user", "without #", "uid is given 2 times", "gid is", "mountport is", "timeout is", `"version"`, "no host",
		}},
		{url: "nfs://host", bad: []string{"absolute path"}},
		{url: "nfs://host/" + strings.Repeat("x", 1024), bad: []string{"longer"}},
		{url: "nfs://host/a%00b", bad: []string{"zero byte"}},
		{url: "nfs://host/a?%zz", bad: []string{"question mark"}},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseURL(u)
		if (err != nil) != (tt.bad != nil) {
			t.Errorf("%s: %v", tt.url, err)
		}
		for _, part := range tt.bad {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", tt.url, err, part)
			}
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Config{}, "Logger")); diff != "" {
			t.Errorf("%s: %s", tt.url, diff)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("nfs://files:2049/srv/export?uid=1&gid=2&mountport=20048&timeout=30s")
	f.Add("nfs://[::1]/x?timeout=-1s")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		c, err := ParseURL(u)
		if err != nil {
			return
		}
		if _, err := c.checked(); err != nil || c.Timeout < 0 || c.Host == "" {
			t.Fatalf("%q gives %+v, which is wrong: %v", s, c, err)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("a/b")
	f.Add("../x")
	f.Add("a//b")
	f.Add(".")
	f.Fuzz(func(t *testing.T, name string) {
		elems, err := (&Client{}).elements("stat", name)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Fatal(err)
			}
			return
		}
		if got := strings.Join(elems, "/"); got != name && (name != "." || got != "") {
			t.Fatalf("%q became %q", name, got)
		}
		for _, e := range elems {
			if e == "" || e == "." || e == ".." || len(e) > maxName || strings.ContainsAny(e, "/\x00") {
				t.Fatalf("%q has the element %q", name, e)
			}
		}
	})
}

func TestDialRefusesMistakes(t *testing.T) {
	_, err := Dial(t.Context(), Config{NFSPort: -1, MountPort: 70000, Timeout: -1, MaxInFlight: 5000})
	for _, part := range []string{"no host", "absolute path", "port of NFS", "port of MOUNT", "time-out", "in flight"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

// A server that is away is an error of Dial, at once and with its reason.
func TestDialNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Dial(t.Context(), Config{Host: "127.0.0.1", Export: "/x", NFSPort: port, MountPort: port})
	want(t, err, ErrNoAnswer, syscall.ECONNREFUSED)
}

// What the MOUNT service answers is not taken for silence.
func TestMountRefused(t *testing.T) {
	for _, tt := range []struct {
		what   string
		answer func(xid uint32) []byte
		want   error
	}{
		{"no such export", func(xid uint32) []byte { return accepted(xid, words{2}) }, fs.ErrNotExist},
		{"not for this client", func(xid uint32) []byte { return accepted(xid, words{13}) }, fs.ErrPermission},
		{"an identification it does not take", func(xid uint32) []byte { return record(words{xid, 1, 1, 1, 5}.bytes()) }, fs.ErrPermission},
		{"a handle of 65 bytes", func(xid uint32) []byte { return accepted(xid, words{0, 65}, words(make([]uint32, 20))) }, ErrProtocol},
		{"a handle of no bytes", func(xid uint32) []byte { return accepted(xid, words{0, 0, 0}) }, ErrProtocol},
	} {
		t.Run(tt.what, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			defer l.Close()
			wg.Go(func() {
				nc, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				defer nc.Close()
				call, err := readRecord(nc)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := nc.Write(tt.answer(binary.BigEndian.Uint32(call))); err != nil {
					t.Error(err)
				}
			})
			port := l.Addr().(*net.TCPAddr).Port
			_, err = Dial(t.Context(), Config{Host: "127.0.0.1", Export: "/x", NFSPort: port, MountPort: port, Timeout: 10 * time.Second})
			want(t, err, tt.want)
			if errors.Is(err, ErrNoAnswer) {
				t.Errorf("%v is called silence", err)
			}
		})
	}
}

func TestErrorMatches(t *testing.T) {
	for _, tt := range []struct {
		status nfsv3.Nfsstat3
		want   []error
	}{
		{nfsv3.NFS3ERR_NOENT, []error{fs.ErrNotExist, syscall.ENOENT}},
		{nfsv3.NFS3ERR_EXIST, []error{fs.ErrExist}},
		{nfsv3.NFS3ERR_NOTEMPTY, []error{fs.ErrExist, syscall.ENOTEMPTY}},
		{nfsv3.NFS3ERR_PERM, []error{fs.ErrPermission, syscall.EPERM}},
		{nfsv3.NFS3ERR_ACCES, []error{fs.ErrPermission, syscall.EACCES}},
		{nfsv3.NFS3ERR_NOSPC, []error{syscall.ENOSPC}},
		{nfsv3.NFS3ERR_DQUOT, []error{syscall.EDQUOT}},
		{nfsv3.NFS3ERR_ROFS, []error{syscall.EROFS}},
		{nfsv3.NFS3ERR_STALE, []error{syscall.ESTALE}},
		{nfsv3.NFS3ERR_BADHANDLE, []error{syscall.ESTALE}},
		{nfsv3.NFS3ERR_IO, []error{syscall.EIO}},
		{nfsv3.NFS3ERR_SERVERFAULT, []error{syscall.EIO}},
		{nfsv3.NFS3ERR_MLINK, []error{syscall.EMLINK}},
		{nfsv3.NFS3ERR_XDEV, []error{syscall.EXDEV}},
		{nfsv3.NFS3ERR_NOTSUPP, []error{syscall.ENOTSUP}},
		{nfsv3.NFS3ERR_FBIG, []error{syscall.EFBIG}},
		{nfsv3.NFS3ERR_NAMETOOLONG, []error{syscall.ENAMETOOLONG}},
	} {
		err := fmt.Errorf("outer: %w", &Error{Op: "x", Name: "a/b", Export: "h:/e", Status: Status(tt.status)})
		want(t, err, tt.want...)
		if !strings.Contains(err.Error(), nfsv3.Nfsstat3_name[tt.status]) {
			t.Errorf("%v has no status", err)
		}
	}
}

func ExampleParseURL() {
	u, err := url.Parse("nfs://files:2049/srv/export?uid=1000&timeout=10s")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := ParseURL(u)
	fmt.Println(c.Host, c.NFSPort, c.Export, c.UID, c.Timeout, err)
	// Output: files 2049 /srv/export 1000 10s <nil>
}

func ExampleDial() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nobody is waited for
	_, err := Dial(ctx, Config{Host: "127.0.0.1", Export: "/srv/export", NFSPort: 2049, MountPort: 20048})
	fmt.Println(errors.Is(err, ErrNoAnswer), errors.Is(err, context.Canceled))
	// Output: true true
}
