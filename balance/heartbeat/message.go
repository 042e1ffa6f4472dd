package heartbeat

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

const (
	// SignatureField is the header field with the signature.
	SignatureField = "Heartbeat-Signature"
	// MaxSkew is how far the clocks of both sides may be apart, with the time that a message takes.
	MaxSkew = 30 * time.Second

	maxMessage = 1 << 10
	minKey     = 16
	maxName    = 64
)

// A message is what is sent.
type message struct {
	Name     string  `json:"name"`
	Time     int64   `json:"time"`     // Unix milliseconds
	Sequence int64   `json:"sequence"` // tells messages of one millisecond apart
	Load     float64 `json:"load"`
	Draining bool    `json:"draining"`
}

func (m *message) report() balance.Report {
	return balance.Report{Load: m.Load, Draining: m.Draining}
}

// after reports whether m is newer than o.
func (m *message) after(o *message) bool {
	return m.Time > o.Time || m.Time == o.Time && m.Sequence > o.Sequence
}

func sign(key, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write(body) // it never fails
	return hex.EncodeToString(h.Sum(nil))
}

// signed reports whether one of the keys has made the signature.
func signed(keys [][]byte, body []byte, signature string) bool {
	got, err := hex.DecodeString(signature)
	if err != nil || len(got) != sha256.Size {
		return false
	}
	ok := false
	for _, key := range keys {
		h := hmac.New(sha256.New, key)
		h.Write(body)
		ok = hmac.Equal(h.Sum(nil), got) || ok
	}
	return ok
}

func parse(body []byte) (m message, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("the message is not the JSON of a heartbeat: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return m, errors.New("something follows the message")
	}
	if m.Name == "" || len(m.Name) > maxName {
		return m, fmt.Errorf("the name must have 1 to %d bytes", maxName)
	}
	return m, nil
}

func checkKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("heartbeat: there is no key")
	}
	for i, k := range keys {
		if len(k) < minKey {
			return fmt.Errorf("heartbeat: key %d has %d bytes; it must have %d or more that nobody can guess", i+1, len(k), minKey)
		}
	}
	return nil
}
