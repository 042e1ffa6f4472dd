package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/balance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var record = balance.Record{
	Time: time.Date(2030, 1, 2, 3, 4, 5, 6789000, time.UTC), Method: "GET", Proto: "HTTP/1.1", Scheme: "https", Host: "example.org",
	Target: "/a?token=s", Client: netip.MustParseAddr("2001:db8::1"), Status: 200, Received: 1, Sent: 1024, Backend: "b", Tries: 2,
	Queue: 3 * time.Millisecond, Connect: 40 * time.Microsecond, FirstByte: 5 * time.Millisecond, Total: 6 * time.Millisecond,
	Cache: "hit", Priority: -2, ID: "r-1",
}

func TestEncode(t *testing.T) {
	got := string(encode(nil, &record, true))
	want := `{"time":"2030-01-02T03:04:05.006789Z","client":"2001:db8::1","method":"GET","scheme":"https","host":"example.org","target":"/a?token=s","proto":"HTTP/1.1","status":200,"received":1,"sent":1024,"backend":"b","tries":2,"queue_us":3000,"connect_us":40,"first_us":5000,"total_us":6000,"cache":"hit","priority":-2,"id":"r-1","end":"done"}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = string(encode(nil, &balance.Record{Time: record.Time, Target: "/a?token=s", End: balance.ClientGone}, false))
	want = `{"time":"2030-01-02T03:04:05.006789Z","client":"","method":"","scheme":"","host":"","target":"/a","proto":"","status":0,"received":0,"sent":0,"backend":"","tries":0,"queue_us":0,"connect_us":0,"first_us":0,"total_us":0,"end":"client_gone"}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	long := strings.Repeat("é", maxField)
	got = string(text(nil, "", long))
	if len(got) > maxField+8 || !strings.HasSuffix(got, "…\"") {
		t.Errorf("a long field has %d bytes and ends in %q", len(got), got[len(got)-8:])
	}
}

type line struct {
	Time                              time.Time
	Client, Method, Host, Target, End string
	Status, Tries                     int
	Sent                              int64
	TotalUS                           int64 `json:"total_us"`
}

// FuzzEncode: whatever a client sends, a line is one line of ASCII controls escaped, and says the same.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"/a?b=c", "\"\\\x00\x1b[2J\n\r\u2028\u202e\x7f\u0085", "\xff\xc0\xaf", "é\ufffd", "</script>"} {
		f.Add("GET", "example.org", s, int64(5), 200)
	}
	f.Fuzz(func(t *testing.T, method, host, target string, n int64, status int) {
		r := balance.Record{Time: record.Time, Method: method, Host: host, Target: target, Sent: n, Status: status, Tries: status, Total: time.Duration(n), End: balance.End(status & 15)}
		b := encode(nil, &r, true)
		if bytes.Count(b, []byte{'\n'}) != 1 || b[len(b)-1] != '\n' || !utf8.Valid(b) {
			t.Fatalf("not a line: %q", b)
		}
		for _, c := range string(b[:len(b)-1]) {
			if c < ' ' || 0x7f <= c && c < 0xa0 || c == '\u2028' || c == '\u202e' {
				t.Fatalf("%q has %q", b, c)
			}
		}
		var got line
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		same := func(name, got, want string) {
			if len(want) <= maxField && got != strings.ToValidUTF8(want, "\ufffd") && got != each(want) {
				t.Fatalf("%s is %q, was %q", name, got, want)
			}
		}
		same("method", got.Method, method)
		same("host", got.Host, host)
		same("target", got.Target, target)
		if got.Sent != n || got.Status != status || got.TotalUS != n/1000 || got.End != r.End.String() || !got.Time.Equal(r.Time) {
			t.Fatalf("%+v from %+v", got, r)
		}
	})
}

// each replaces each byte that is not UTF-8, where ToValidUTF8 replaces runs of them.
func each(s string) string { return string([]rune(s)) }

// TestFlush: lines are written after Options.Flush, not before, and the rest at the end.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		l, err := New(&out, &Options{Flush: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		l.Done(&record)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		before := out.lines()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		after := out.lines()
		l.Done(&record)
		stop()
		if err := <-ended; err != nil || before != 0 || after != 1 || out.lines() != 2 || l.Stats() != (Stats{Written: 2}) {
			t.Errorf("%v; %d, %d, %d lines; %+v", err, before, after, out.lines(), l.Stats())
		}
		if err := l.Run(ctx); err == nil {
			t.Error("it runs twice")
		}
	})
}

// TestSlowDisk: requests do not wait for a disk that does not answer; what is dropped is counted and said.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{in: make(chan struct{}), out: make(chan struct{})}
		l, err := New(out, &Options{Buffer: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		l.Done(&record)
		<-out.in // it is writing, and stays there
		for range 1000 {
			l.Done(&record)
		}
		dropped := l.Stats().Dropped
		out.free.Store(true)
		close(out.out)
		stop()
		// Run says it, or has told the Logger by then.
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "lines were dropped") {
			t.Error(err)
		}
		s := l.Stats()
		if dropped == 0 || s.Dropped != dropped || s.Written != 1001-dropped {
			t.Errorf("%d; %+v", dropped, s)
		}
		var last struct{ Dropped uint64 }
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Dropped != dropped || uint64(len(lines)) != s.Written+1 {
			t.Errorf("%v %+v, %d lines", err, last, len(lines))
		}
	})
}

// TestFullDisk: half a line is ended, and what is missing is said when there is room again.
func TestFullDisk(t *testing.T) {
	var out full
	l, err := New(&out, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Done(&record)
	l.Done(&record)
	l.Done(&record)
	one := len(encode(nil, &record, false))
	out.room = one + 10
	if err := l.flush(); !errors.Is(err, errRoom) {
		t.Error(err)
	}
	out.room = 1 << 20
	l.Done(&record)
	if err := l.flush(); err == nil || !strings.Contains(err.Error(), "2 lines") {
		t.Error(err)
	}
	lines := strings.Split(out.String(), "\n")
	whole := strings.TrimSuffix(string(encode(nil, &record, false)), "\n")
	if len(lines) != 5 || lines[0] != whole || !strings.HasPrefix(lines[1], whole[:10]) || !strings.Contains(lines[3], `"dropped":2}`) {
		t.Errorf("%q", lines)
	}
	if s := l.Stats(); s != (Stats{Written: 2, Dropped: 2}) {
		t.Errorf("%+v", s)
	}
}

// TestReopen: after a file was renamed, lines go to a new one.
func TestReopen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	l, err := Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Done(&record)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	l.Done(&record)
	if err := l.flush(); err != nil { // goes to the old file
		t.Fatal(err)
	}
	l.Reopen()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	l.Done(&record)
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{name: 1, name + ".1": 2} {
		text, err := os.ReadFile(name)
		if err != nil || bytes.Count(text, []byte("\n")) != want {
			t.Errorf("%s: %v, %s", name, err, text)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := Open(filepath.Join(name, "not"), nil); err == nil {
		t.Error("a file is no directory")
	}
}

func TestOptions(t *testing.T) {
	_, err := New(io.Discard, &Options{Buffer: 1, Flush: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "Buffer is 1") || !strings.Contains(err.Error(), "Flush is 1h") {
		t.Error(err)
	}
}

func BenchmarkDone(b *testing.B) {
	l, err := New(io.Discard, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := l.Run(ctx); err != nil && l.Stats().Dropped == 0 {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		l.Done(&record)
	}
	stop()
	all.Wait()
	if s := l.Stats(); s.Written+s.Dropped == 0 || cmp.Equal(s, Stats{}) {
		b.Error(s)
	}
}
