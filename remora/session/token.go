package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"

	"github.com/sugarlabs/beamrider/remora"
)

// A Token says what a client has seen or written.
type Token struct {
	// Position is a point in the change feed.
	Position remora.Position
	// Replica is what the database's replicas need to know, "" if there are none. The package does
	// not look into it. It has at most 2048 of the characters A–Z, a–z, 0–9, '.', '_' and '-'.
	Replica string
}

// ErrToken is wrapped by every error of [Sessions.Verify].
var ErrToken = errors.New("session: this is not a token of ours")

// The text of a token is
//
//	1.<epoch>.<seq>.<mac>  or  1.<epoch>.<seq>.<replica>.<mac>
//
// with the number in decimal and the HMAC-SHA256 of all before the last dot in unpadded base64url
// (RFC 4648, section 5). Every token has one text for one key. All its characters may stand in a
// cookie (RFC 6265, section 4.1.1).
const (
	tokenVersion = "1"
	maxEpoch     = 64
	maxReplica   = 2048
	macLength    = 43
	maxToken     = len(tokenVersion) + maxEpoch + 19 + maxReplica + macLength + 4
)

// purpose keeps a sum apart from others that were made with the same key.
const purpose = "beamrider session token\n"

// macs makes and checks sums with one key. It is a type with a function, so that no log that prints
// a value shows the key.
type macs struct{ sum func(text string) string }

func newMACs(key []byte) macs {
	key = append([]byte(nil), key...)
	pool := sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	return macs{sum: func(text string) string {
		h := pool.Get().(hash.Hash)
		defer pool.Put(h)
		h.Reset()
		h.Write([]byte(purpose)) // a hash takes everything, by its documentation
		h.Write([]byte(text))
		return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}}
}

func (m macs) verify(text, sum string) bool { return hmac.Equal([]byte(m.sum(text)), []byte(sum)) }

// Sign returns the text of a token, which fits in a cookie. The error is about a position without
// an epoch or with a number below 0, or a Replica that cannot be in a token.
func (s *Sessions) Sign(t Token) (string, error) {
	switch {
	case !isEpoch(t.Position.Epoch) || t.Position.Seq < 0:
		return "", fmt.Errorf("session: a token cannot hold the position %d of epoch %q", t.Position.Seq, t.Position.Epoch)
	case t.Replica != "" && !isReplica(t.Replica):
		return "", fmt.Errorf("session: a token cannot hold a replica token of %d bytes, or not its characters", len(t.Replica))
	}
	text := tokenVersion + "." + t.Position.Epoch + "." + strconv.FormatInt(t.Position.Seq, 10)
	if t.Replica != "" {
		text += "." + t.Replica
	}
	return text + "." + s.keys[0].sum(text), nil
}

// Verify returns what a token says that was signed with one of the keys. The error wraps
// [ErrToken]; it does not repeat the text.
func (s *Sessions) Verify(text string) (Token, error) {
	if len(text) > maxToken {
		return Token{}, fmt.Errorf("%w: it is longer than any", ErrToken)
	}
	end := strings.LastIndexByte(text, '.')
	if end < 0 || len(text)-end-1 != macLength {
		return Token{}, fmt.Errorf("%w: there is no sum at its end", ErrToken)
	}
	// The sum first: what is not ours is not looked at.
	signed, sum := text[:end], text[end+1:]
	ours := false
	for _, k := range s.keys {
		ours = k.verify(signed, sum) || ours
	}
	if !ours {
		return Token{}, fmt.Errorf("%w: the sum at its end is not ours", ErrToken)
	}
	t, ok := parse(signed)
	if !ok {
		return Token{}, fmt.Errorf("%w: it is of another version", ErrToken)
	}
	return t, nil
}

// parse reads a token without its sum, in the form that Sign writes and no other.
func parse(signed string) (t Token, ok bool) {
	version, rest, ok := strings.Cut(signed, ".")
	if !ok || version != tokenVersion {
		return t, false
	}
	t.Position.Epoch, rest, ok = strings.Cut(rest, ".")
	if !ok || !isEpoch(t.Position.Epoch) {
		return t, false
	}
	number, replica, has := strings.Cut(rest, ".")
	if has && !isReplica(replica) {
		return t, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != number {
		return t, false
	}
	t.Position.Seq, t.Replica = n, replica
	return t, true
}

func isEpoch(s string) bool {
	return s != "" && len(s) <= maxEpoch && !strings.Contains(s, ".") && plain(s)
}

func isReplica(s string) bool { return s != "" && len(s) <= maxReplica && plain(s) }

func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
