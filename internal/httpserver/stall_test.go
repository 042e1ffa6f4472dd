package httpserver

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A line is a ResponseWriter that remembers its deadlines, and has no ReadFrom.
type line struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	err       error
}

func (l *line) SetWriteDeadline(t time.Time) error {
	l.deadlines = append(l.deadlines, t)
	return l.err
}

func TestEveryAnswerHasADeadlineOfItsOwn(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"nothing":     func(w http.ResponseWriter, r *http.Request) {},
		"status only": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"body":        func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") },
		"many writes": func(w http.ResponseWriter, r *http.Request) {
			for range 1000 {
				io.WriteString(w, "x")
			}
		},
		"reader": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 3*stallChunk))); err != nil {
				t.Error(err)
			}
		},
	} {
		l := &line{ResponseRecorder: httptest.NewRecorder()}
		before := time.Now()
		unstall(h).ServeHTTP(l, httptest.NewRequest("GET", "/", nil))
		if len(l.deadlines) != 1 {
			t.Errorf("%s: the deadline was set %d times in a moment, want once", name, len(l.deadlines))
			continue
		}
		if d := l.deadlines[0]; d.Before(before.Add(stallTimeout)) || d.After(time.Now().Add(stallTimeout)) {
			t.Errorf("%s: the deadline is in %v", name, d.Sub(before))
		}
	}
}

func TestDeadlineMovesOn(t *testing.T) {
	l := &line{ResponseRecorder: httptest.NewRecorder()}
	m := &movingWriter{ResponseWriter: l, control: http.NewResponseController(l)}
	for i, left := range []time.Duration{0, stallTimeout, stallTimeout/2 + time.Second, stallTimeout / 4, -time.Hour} {
		m.until = time.Now().Add(left) // as if time had gone by
		l.deadlines = nil
		if _, err := m.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		want := 1
		if left == stallTimeout {
			want = 0
		}
		if len(l.deadlines) != want {
			t.Errorf("%d: with %v left the deadline was set %d times, want %d", i, left, len(l.deadlines), want)
		}
	}
}

func TestWithoutDeadlines(t *testing.T) {
	l := &line{ResponseRecorder: httptest.NewRecorder(), err: errors.ErrUnsupported}
	m := &movingWriter{ResponseWriter: l, control: http.NewResponseController(l)}
	text := strings.Repeat("0123456789", stallChunk/4)
	n, err := m.ReadFrom(strings.NewReader(text))
	if err != nil || n != int64(len(text)) || l.Body.String() != text {
		t.Errorf("%d bytes of %d came through, %v", n, len(text), err)
	}
	if len(l.deadlines) != 1 {
		t.Errorf("asked %d times for what there is not", len(l.deadlines))
	}
}

// failing passes on some bytes and fails then.
type failing struct {
	*httptest.ResponseRecorder
	left int64
}

var errGone = errors.New("the client is gone")

func (f *failing) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.CopyN(f.ResponseRecorder, r, f.left)
	f.left -= n
	if err == nil {
		err = errGone
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func TestReadFromStopsAtAFault(t *testing.T) {
	text := strings.Repeat("x", 3*stallChunk)
	for name, r := range map[string]func() io.Reader{
		"limited": func() io.Reader { return io.LimitReader(strings.NewReader(text), int64(len(text))) },
		"plain":   func() io.Reader { return strings.NewReader(text) },
	} {
		f := &failing{httptest.NewRecorder(), stallChunk + 5}
		m := &movingWriter{ResponseWriter: f, control: http.NewResponseController(f)}
		n, err := m.ReadFrom(r())
		if n != stallChunk+5 || !errors.Is(err, errGone) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	f := &failing{httptest.NewRecorder(), 1 << 40}
	m := &movingWriter{ResponseWriter: f, control: http.NewResponseController(f)}
	left := &io.LimitedReader{R: strings.NewReader(text), N: stallChunk + 1}
	if n, err := m.ReadFrom(left); n != stallChunk+1 || err != nil || left.N != 0 {
		t.Errorf("%d bytes, %v, and the reader believes that %d are left", n, err, left.N)
	}
}
