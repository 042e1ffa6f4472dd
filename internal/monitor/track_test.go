package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// balancer is the local one: what it answers can be changed.
type balancer struct{ err atomic.Pointer[error] }

func (b *balancer) set(err error) { b.err.Store(&err) }
func (b *balancer) ask(context.Context) error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

func wantTrack(t *testing.T, path, want, when string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(b)) != want {
		t.Errorf("%s: the file says %q, %v; want %q", when, b, err, want)
	}
}

func TestTrackFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "track")
	synctest.Test(t, func(t *testing.T) {
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // virtual time
		b := &balancer{}
		log := &lines{}
		m, stop := start(t, Config{Track: &Track{Path: path, Local: b.ask}, Logger: log.logger()})
		synctest.Wait()
		wantTrack(t, path, "1", "before the balancer proved itself")
		pass(150 * time.Millisecond)
		wantTrack(t, path, "0", "after two answers")
		if got := only(t, m); got.Level != OK || got.Name != trackName {
			t.Errorf("healthy: %+v", got)
		}

		b.set(errors.New("connection refused"))
		pass(150 * time.Millisecond)
		wantTrack(t, path, "0", "after one failure")
		b.set(nil)
		pass(150 * time.Millisecond)
		b.set(errors.New("connection refused"))
		pass(150 * time.Millisecond)
		wantTrack(t, path, "0", "after one failure again")
		pass(150 * time.Millisecond)
		wantTrack(t, path, "1", "after two failures in a row")
		if got := only(t, m); got.Level != Bad || !strings.Contains(got.Summary, "connection refused") {
			t.Errorf("fault: %+v", got)
		}
		b.set(nil)
		pass(300 * time.Millisecond)
		wantTrack(t, path, "0", "after it answers again")

		for _, damage := range []func() error{
			func() error { return os.Remove(path) },
			func() error { return os.WriteFile(path, []byte("1"), 0o600) },
			func() error { return os.WriteFile(path, nil, 0o600) },
			func() error {
				return errors.Join(os.Remove(path), os.Symlink("/dev/zero", path))
			},
			func() error { return os.WriteFile(path+".new", []byte("left by a killed one"), 0o400) },
		} {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			pass(150 * time.Millisecond)
			wantTrack(t, path, "0", "after damage")
		}

		if err := m.Leave(); err != nil {
			t.Error(err)
		}
		wantTrack(t, path, "1", "at once after Leave")
		pass(time.Second)
		wantTrack(t, path, "1", "a while after Leave, with a balancer that answers")
		if got := only(t, m); got.Level != Warn {
			t.Errorf("left: %+v", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantTrack(t, path, "1", "after the end")
		if got := only(t, m); got.Level != Warn {
			t.Errorf("ended: %+v", got)
		}
		got := log.take()
		if n := strings.Count(got, "check=\"shared address\""); n != 3 {
			t.Errorf("the log has %d changes, want 3 (ok, bad, ok):\n%s", n, got)
		}
	})
}

// A monitor that starts goes on with what the file says.
func TestTrackFileGoesOn(t *testing.T) {
	for _, text := range []string{"0", "0\n", "1", ""} {
		path := filepath.Join(t.TempDir(), "track")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			began := make(chan struct{})
			_, stop := start(t, Config{Track: &Track{Path: path, Local: func(ctx context.Context) error {
				close(began)
				<-ctx.Done()
				return ctx.Err()
			}}})
			<-began
			b, err := os.ReadFile(path)
			want := "1"
			if strings.HasPrefix(text, "0") {
				want = "0"
			}
			if err != nil || strings.TrimSpace(string(b)) != want {
				t.Errorf("the file said %q, and says %q, %v after the start; want %q", text, b, err, want)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			wantTrack(t, path, "1", "after the end")
		})
	}
}

func TestTrackHangingBalancer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "track")
	if err := os.WriteFile(path, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		_, stop := start(t, Config{Linger: time.Second, Track: &Track{Path: path, Local: func(context.Context) error {
			calls.Add(1)
			<-release
			return nil
		}}})
		time.Sleep(299 * time.Millisecond)
		synctest.Wait()
		wantTrack(t, path, "0", "before the time-out")
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		wantTrack(t, path, "1", "after half a second")
		time.Sleep(10 * time.Second)
		if calls.Load() != 1 {
			t.Errorf("it was asked %d times while the first question hangs", calls.Load())
		}
		if err := stop(); err == nil || !strings.Contains(err.Error(), trackName) {
			t.Errorf("error %v, want one that names the question that hangs", err)
		}
		close(release)
	})
}

func TestTrackFileCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	path := filepath.Join(dir, "track")
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		m, stop := start(t, Config{Track: &Track{Path: path, Local: (&balancer{}).ask}, Logger: log.logger()})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := only(t, m); got.Level != Bad || !strings.Contains(got.Summary, path) || !strings.Contains(got.Next, dir) {
			t.Errorf("got %+v", got)
		}
		if err := m.Leave(); err == nil {
			t.Error("Leave says nothing")
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantTrack(t, path, "1", "after the folder is there")
		if got := log.take(); strings.Count(got, "cannot be written") != 1+1 || strings.Count(got, "can be written again") != 1 {
			// the message, and the sentence of its error
			t.Errorf("the log does not say each once:\n%s", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestTrackFileIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "track")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Track: &Track{Path: path, Local: (&balancer{}).ask}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Leave(); err == nil {
		t.Error("a folder is taken for a track file")
	}
	if _, err := os.Lstat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

func TestLeaveWithoutTrackFile(t *testing.T) {
	m, err := New(Config{Checks: []Check{{Name: "it", Run: (&script{now: good}).run}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Leave(); err != nil {
		t.Error(fmt.Errorf("nothing to leave: %w", err))
	}
}
