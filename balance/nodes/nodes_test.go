package nodes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/balance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []Node
		errs []string
	}{
		"empty": {"", nil, nil},
		"Perlbal's": {"10.0.0.1\n10.0.0.2:8080\n# a comment\n\n  10.0.0.3:81   # another\r\n", []Node{
			{Host: "10.0.0.1", Port: 80, Line: 1}, {Host: "10.0.0.2", Port: 8080, Line: 2}, {Host: "10.0.0.3", Port: 81, Line: 5}}, nil},
		"everything": {"\ufeff[2001:DB8::1]:8000 weight=3 max=20 name=x backup disabled\n[2001:db8::2]\nunix:/run/app.sock weight=2\nApp.example.org:81\n_http._tcp.example.org name=y", []Node{
			{Host: "2001:db8::1", Port: 8000, Weight: 3, Max: 20, Name: "x", Backup: true, Disabled: true, Line: 1},
			{Host: "2001:db8::2", Port: 80, Line: 2}, {Socket: "/run/app.sock", Weight: 2, Line: 3}, {Host: "app.example.org", Port: 81, Line: 4},
			{Host: "_http._tcp.example.org", Service: true, Name: "y", Line: 5}}, nil},
		"all mistakes": {"10.0.0.1:x\n10.0.0.1:0\n10.0.0.1:70000\n2001:db8::1\n[::1\n[::1]x\n[1.2.3.4]:1\nunix:run\n1.2.3\n-a:1\na..b\na:1:2\n:80\n" +
			"a weight=0\na weight=+1\na weight=1000001\na max=x name= backup=1\na weight=1 weight=2\na what\n10.0.0.9\n10.0.0.9:80\nb name=c\nc name=c\n", nil, []string{
			`line 1: "10.0.0.1:x": the port must be`, "line 2: ", "line 3: ", "line 4: \"2001:db8::1\" needs brackets", "line 5: \"[::1\" must be", "line 6: ", "line 7: ",
			"line 8: ", "line 9: ", "line 10: ", "line 11: ", "line 12: ", "line 13: ", `line 14: weight is "0"`, "line 15: ", "line 16: ",
			`line 17: max is "x"`, `the name ""`, `"backup=1" is none of`, "line 18: weight is said twice", `line 19: "what" is none of`, "line 21: 10.0.0.9:80 would have the name of what is on line 20", "line 23: c would have the name of what is on line 22"}},
		"one name": {"unix:/run/a+b\nunix:/run/a-b\n[::1]:80\nx name=::1:80\n[::1]:81 name=y\n[::1]:82 name=z\n", nil, []string{"line 2: unix:/run/a-b would have the name of what is on line 1", "line 4: ::1:80 would have"}},
		"too many": {strings.Repeat("# \n", 10) + many(1001), nil, []string{"line 1011: there are more than 1000 nodes"}},
		"too long": {strings.Repeat(" ", MaxSize+1), nil, []string{"at most 1048576"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(tt.text))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if (err != nil) != (tt.errs != nil) {
				t.Errorf("error %v", err)
			}
			for _, want := range tt.errs {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%v", want, err)
				}
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "10.0.%d.%d\n", i/256, i%256)
	}
	return b.String()
}

// FuzzParse: whatever is read can be written, and is the same when it is read again; and a pool takes it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"10.0.0.1\n", "[::1]:8 weight=3 max=2 name=a backup disabled # x", "unix:/run/a b", "a.b:1\r\n_x._tcp.y", "\ufeff:::", "a\x00b", "1.2.3.4:080"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse([]byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "nodes: ") {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := Parse(Format(list))
		if err != nil {
			t.Fatalf("%q: %v", Format(list), err)
		}
		for i := range list {
			list[i].Line, again[i].Line = 0, 0
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Fatal(diff)
		}
		for i := range list {
			n := &list[i]
			if n.named() {
				continue
			}
			var at netip.AddrPort
			if n.Socket == "" {
				at = netip.AddrPortFrom(netip.MustParseAddr(n.Host), uint16(n.Port))
			}
			if _, err := balance.New([]balance.Backend{n.backend(at, false)}, nil); err != nil {
				t.Errorf("%+v: %v", *n, err)
			}
		}
	})
}

// A dns is a resolver with scripted answers.
type dns struct {
	mu    sync.Mutex
	hosts map[string]string // addresses separated by spaces
	asked int
}

func (d *dns) set(host, addresses string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[host] = addresses
}

func (d *dns) LookupNetIP(_ context.Context, _, host string) (list []netip.Addr, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	for _, a := range strings.Fields(d.hosts[host]) {
		list = append(list, netip.MustParseAddr(a))
	}
	if list == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return list, nil
}

func (d *dns) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "" || proto != "" || name != "_http._tcp.example.org" {
		return "", nil, errors.New("unexpected")
	}
	return name, []*net.SRV{{Target: "one.example.org.", Port: 1001}, {Target: "two.example.org.", Port: 1002}}, nil
}

// A follower is a File in a folder of its own, with what it has given.
type follower struct {
	t    *testing.T
	path string
	file *File
	dns  *dns
	log  strings.Builder

	mu    sync.Mutex
	given [][]string
	fail  error
}

func newFollower(t *testing.T, text string) *follower {
	f := &follower{t: t, path: filepath.Join(t.TempDir(), "nodes"), dns: &dns{hosts: map[string]string{}}}
	f.write(text)
	var err error
	f.file, err = Open(f.path, f.take, &Options{Resolver: f.dns, Resolve: time.Minute, Logger: slog.New(slog.NewTextHandler(&f.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *follower) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) take(list []balance.Backend) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	names := []string{}
	for _, b := range list {
		names = append(names, b.Name+" "+b.URL)
	}
	f.given = append(f.given, names)
	return nil
}

func (f *follower) expect(when string, names ...string) {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []string
	if n := len(f.given); n > 0 {
		got = f.given[n-1]
	}
	if diff := cmp.Diff(names, got); diff != "" {
		f.t.Errorf("%s: (-want +got)\n%s", when, diff)
	}
}

// TestFollow: changes of the file and of names come through; what is wrong changes nothing and is said once.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, "10.0.0.1\napp.example.org:8000\n")
		f.expect("at once, without names", "10.0.0.1:80 http://10.0.0.1:80")
		f.dns.set("app.example.org", "10.1.0.2 10.1.0.1 ::ffff:10.1.0.1 2001:db8::1")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.file.Run(ctx) }()
		all := []string{"10.0.0.1:80 http://10.0.0.1:80", "10.1.0.1:8000 http://10.1.0.1:8000", "10.1.0.2:8000 http://10.1.0.2:8000", "2001:db8::1:8000 http://[2001:db8::1]:8000"}
		f.expect("names", all...)
		f.dns.set("app.example.org", "2001:db8::1 10.1.0.1 10.1.0.2")
		time.Sleep(2 * time.Minute)
		f.expect("another order", all...)
		if n := len(f.given); n != 2 {
			t.Errorf("given %d times", n)
		}
		f.dns.set("app.example.org", "")
		time.Sleep(2 * time.Minute)
		f.expect("the name is gone", all...)
		if st := f.file.Status(); st.Fault == nil || !strings.Contains(st.Fault.Error(), "line 2: app.example.org cannot be resolved, and keeps 3 addresses") || st.Nodes != 2 || st.Backends != 4 {
			t.Errorf("%+v", st)
		}
		f.dns.set("app.example.org", "10.1.0.1")
		time.Sleep(12 * time.Second) // a sixth of the usual time, and a bit
		f.expect("back", all[:2]...)
		if st := f.file.Status(); st.Fault != nil {
			t.Errorf("%+v", st)
		}
		f.write("10.0.0.1\nnonsense weight=x\n")
		time.Sleep(3 * time.Second)
		f.expect("a mistake", all[:2]...)
		if st := f.file.Status(); st.Fault == nil || !strings.Contains(st.Fault.Error(), "line 2") {
			t.Errorf("%+v", st)
		}
		if err := os.Remove(f.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		f.expect("no file", all[:2]...)
		f.write("10.0.0.3 disabled\n_http._tcp.example.org name=app\n")
		f.dns.set("one.example.org", "10.2.0.1")
		f.dns.set("two.example.org", "10.2.0.2 10.2.0.1")
		time.Sleep(3 * time.Second)
		f.expect("a service", "app-10.2.0.1:1001 http://10.2.0.1:1001", "app-10.2.0.1:1002 http://10.2.0.1:1002", "app-10.2.0.2:1002 http://10.2.0.2:1002")
		f.mu.Lock()
		f.fail = errors.New("too many")
		f.mu.Unlock()
		f.write("10.0.0.4\n")
		time.Sleep(3 * time.Second)
		if st := f.file.Status(); st.Fault == nil || !strings.Contains(st.Fault.Error(), "refused") {
			t.Errorf("%+v", st)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(f.log.String(), "level=WARN"); n != 4 {
			t.Errorf("%d warnings, want one for each of four faults:\n%s", n, f.log.String())
		}
	})
}

// TestHalfAFile: what is still being written is not taken for the file.
func TestHalfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, "10.0.0.1\n10.0.0.2\n")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.file.Run(ctx) }()
		synctest.Wait()
		f.write("10.0.0.3\n")
		time.Sleep(1100 * time.Millisecond)
		f.write("10.0.0.3\n10.0.0.4\n")
		time.Sleep(3 * time.Second)
		f.expect("written", "10.0.0.3:80 http://10.0.0.3:80", "10.0.0.4:80 http://10.0.0.4:80")
		if len(f.given) != 2 {
			t.Errorf("given %q", f.given)
		}
		cancel()
		<-done
	})
}

func TestOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes")
	take := func([]balance.Backend) error { return nil }
	if _, err := Open(path, take, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, take, nil); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Error(err)
	}
	_, err := Open(path, nil, &Options{Poll: time.Microsecond, Resolve: -1})
	for _, want := range []string{"apply is nil", "Options.Poll is 1µs", "Options.Resolve is -1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "nodes")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "pool")
	if err := os.WriteFile(path, []byte("10.0.0.11:8081 weight=2\n10.0.0.12:8081 backup\n"), 0o644); err != nil {
		panic(err)
	}
	b, err := balance.New(nil, nil)
	if err != nil {
		panic(err)
	}
	if _, err := Open(path, b.Set, nil); err != nil { // and then Run
		panic(err)
	}
	for _, s := range b.Snapshot() {
		fmt.Println(s.Name, s.Weight, s.Backup)
	}
	// Output:
	// 10.0.0.11:8081 2 false
	// 10.0.0.12:8081 1 true
}
