package guest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// AgentPort is where the first process of a guest takes requests, each on a connection of its own. When
// the connection ends, what was started by it is killed.
const AgentPort = 700

// A Request starts a program in a guest.
type Request struct {
	Args []string `json:"args"`
	Env  []string `json:"env,omitempty"`
	Dir  string   `json:"dir,omitempty"`
}

// The kinds of frames that the agent answers with.
const (
	FrameOut  = 'o' // of standard output
	FrameErr  = 'e' // of standard error
	FrameExit = 'x' // the last one: how it ended, "" for well
)

// maxFrame bounds the payload of a frame, bytes.
const maxFrame = 1 << 20

// WriteRequest sends r.
func WriteRequest(w io.Writer, r Request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return WriteFrame(w, 'r', b)
}

// ReadRequest receives what [WriteRequest] sent.
func ReadRequest(from io.Reader) (r Request, err error) {
	kind, b, err := ReadFrame(from)
	switch {
	case err != nil:
		return r, err
	case kind != 'r':
		return r, fmt.Errorf("a frame of kind %q where a request was expected", kind)
	}
	return r, json.Unmarshal(b, &r)
}

// WriteFrame sends one frame.
func WriteFrame(w io.Writer, kind byte, p []byte) error {
	if len(p) > maxFrame {
		return fmt.Errorf("a frame of %d bytes is too long", len(p))
	}
	b := make([]byte, 0, 5+len(p))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
	_, err := w.Write(append(b, p...))
	return err
}

// ReadFrame receives one frame.
func ReadFrame(r io.Reader) (kind byte, p []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too long", n)
	}
	p = make([]byte, n)
	_, err = io.ReadFull(r, p)
	return head[0], p, err
}
