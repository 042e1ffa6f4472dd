package replicaproof

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// An echo answers each connection with what it says.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // it ends when the connection does
			}()
		}
	}()
	return l.Addr().String()
}

func TestRelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	r, err := newRelay(echo(t), delay)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", r.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		return c
	}
	say := func(c net.Conn) {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(c net.Conn, limit time.Duration) error {
		if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	c := dial()
	began := time.Now()
	say(c)
	if err := hear(c, patience); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %s, less than twice %s", took, delay)
	}
	// A cut is silent, for old connections and new ones, and nothing is lost by it.
	r.cut()
	say(c)
	late := dial()
	say(late)
	for name, x := range map[string]net.Conn{"old": c, "new": late} {
		var timeout net.Error
		if err := hear(x, 10*delay); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("behind a cut, the %s connection hears %v, want silence", name, err)
		}
	}
	r.heal()
	for _, x := range []net.Conn{c, late} {
		if err := hear(x, patience); err != nil {
			t.Errorf("after it was mended: %v", err)
		}
	}
	// What is under way at a drop does not arrive.
	say(c)
	r.drop()
	if err := hear(c, patience); err == nil {
		t.Error("what was under way arrived")
	}
}
