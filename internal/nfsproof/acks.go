package nfsproof

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
)

// An Ack is what a call of the store has acknowledged: from now on the name is there, or it is not.
type Ack struct {
	Name      string
	Gone      bool
	Undecided bool // a call is under way that changes it: from now on both are right
}

// String is a line for [ReadAcks].
func (a Ack) String() string {
	switch {
	case a.Undecided:
		return "open " + a.Name
	case a.Gone:
		return "gone " + a.Name
	}
	return "put " + a.Name
}

// ParseAck reads what String wrote.
func ParseAck(line string) (Ack, error) {
	verb, name, ok := strings.Cut(line, " ")
	if !ok || verb != "put" && verb != "gone" && verb != "open" {
		return Ack{}, fmt.Errorf("%q is no acknowledgement", line)
	}
	return Ack{Name: name, Gone: verb == "gone", Undecided: verb == "open"}, nil
}

// Acks collects acknowledgements from the lines that a writer prints. It is an [io.Writer].
type Acks struct {
	mu      sync.Mutex
	partial string
	last    map[string]Ack
	n       int
	news    chan struct{}
	err     error
}

// NewAcks returns an empty collection.
func NewAcks() *Acks { return &Acks{last: make(map[string]Ack), news: make(chan struct{})} }

// Write takes lines; the rest of a line may follow.
func (a *Acks) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines := strings.Split(a.partial+string(p), "\n")
	a.partial = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		ack, err := ParseAck(line)
		if err != nil {
			a.err = err
			return 0, err
		}
		a.last[ack.Name] = ack
		a.n++
	}
	close(a.news)
	a.news = make(chan struct{})
	return len(p), nil
}

// Look returns how many there are, and a channel that is closed when there are more.
func (a *Acks) Look() (int, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n, a.news
}

// WriteTo writes the last line of each name.
func (a *Acks) WriteTo(w io.Writer) (n int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, a.err
	}
	names := make([]string, 0, len(a.last))
	for name := range a.last {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		k, err := fmt.Fprintln(w, a.last[name])
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, nil
}

// ReadAcks reads lines of acknowledgements.
func ReadAcks(r io.Reader) (acks []Ack, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		a, err := ParseAck(lines.Text())
		if err != nil {
			return nil, err
		}
		acks = append(acks, a)
	}
	return acks, lines.Err()
}
