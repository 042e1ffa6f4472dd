package replica

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of sealed tokens.
const (
	minKey     = 16
	maxKeys    = 16
	maxSealed  = 1024 // more than 32 longest positions and their signature
	sealMAC    = 16   // bytes of the signature that are kept
	sealStart  = "v1."
	defaultTTL = 15 * time.Minute
	maxTTL     = 365 * 24 * time.Hour
)

// A TokenProblem says why a sealed token was not taken, in a word for metrics.
type TokenProblem string

// The problems.
const (
	TokenMalformed TokenProblem = "malformed" // it is not the text of a sealed token
	TokenForged    TokenProblem = "forged"    // no key of ours sealed it, or it was changed since
	TokenForeign   TokenProblem = "foreign"   // it is of another cluster, or of the time before a restore
	TokenExpired   TokenProblem = "expired"   // it is older than the TTL, or comes from the future
)

// A TokenError is the error of [Sealer.Open]. It wraps [ErrToken].
type TokenError struct {
	Problem TokenProblem
	text    string
}

// Error says why, without any part of the token.
func (e *TokenError) Error() string {
	return ErrToken.Error() + ": it is " + string(e.Problem) + ": " + e.text
}

// Unwrap returns [ErrToken].
func (e *TokenError) Unwrap() error { return ErrToken }

// SealerConfig is what [NewSealer] needs. Only Keys is required.
type SealerConfig struct {
	// Keys are secrets that all front ends share, 1 to 16, of at least 16 bytes each. The first seals,
	// all open. To change keys without a gap, put the new one behind the old one everywhere, then in
	// front, then take the old one away when the TTL has passed.
	Keys [][]byte
	// Cluster names what positions are counted in. Give it another value when the count has begun
	// anew, after RESET MASTER or when a backup was restored: tokens from before are foreign then.
	Cluster string
	// TTL is how long a token is taken. Clocks of front ends may differ by as much. 0 means 15
	// minutes; 1 second to 365 days.
	TTL time.Duration
}

// A Sealer signs tokens that go through foreign hands, as a cookie or a header. A token grants
// nothing and has nothing secret; the seal is against made-up ones, which would have reads answered
// by the primary. It is safe for concurrent use; make it with [NewSealer].
type Sealer struct {
	keys    []*sync.Pool // of hash.Hash
	cluster [4]byte
	ttl     time.Duration
	now     func() time.Time
}

// NewSealer checks c and reports all mistakes at once.
func NewSealer(c SealerConfig) (*Sealer, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("replica: "+format, args...)) }
	if n := len(c.Keys); n == 0 || n > maxKeys {
		bad("there are %d keys for tokens; give 1 to %d", n, maxKeys)
	}
	if c.TTL == 0 {
		c.TTL = defaultTTL
	}
	if c.TTL < time.Second || c.TTL > maxTTL {
		bad("the TTL of tokens is %s; it must be from 1s to %s", c.TTL, maxTTL)
	}
	s := &Sealer{ttl: c.TTL, now: time.Now}
	for i, key := range c.Keys {
		if len(key) < minKey {
			bad("key %d for tokens has %d bytes; use at least %d that nobody can guess", i+1, len(key), minKey)
		}
		key = slices.Clone(key)
		s.keys = append(s.keys, &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(c.Cluster))
	copy(s.cluster[:], sum[:])
	return s, nil
}

// TTL returns how long tokens are taken.
func (s *Sealer) TTL() time.Duration { return s.ttl }

// Seal returns t as text that needs no quoting in a cookie, a header or a URL: about 50 characters
// for one replication domain, at most 1024, of A-Z, a-z, 0-9, '-', '_' and '.'. The zero token is "".
func (s *Sealer) Seal(t Token) string {
	if len(t.at) == 0 {
		return ""
	}
	// The cluster, the time in seconds, and domain, server and number of each position.
	b := make([]byte, 0, 64)
	b = append(b, s.cluster[:]...)
	b = binary.AppendUvarint(b, uint64(max(0, s.now().Unix())))
	for _, g := range t.at {
		b = binary.AppendUvarint(b, uint64(g.domain))
		b = binary.AppendUvarint(b, uint64(g.server))
		b = binary.AppendUvarint(b, g.seq)
	}
	out := make([]byte, 0, 128)
	out = append(out, sealStart...)
	out = base64.RawURLEncoding.AppendEncode(out, b)
	sum := mac(s.keys[0], out)
	out = append(out, '.')
	return string(base64.RawURLEncoding.AppendEncode(out, sum[:]))
}

// mac signs text: the whole of it that stands before the signature, version included.
func mac(key *sync.Pool, text []byte) (sum [sealMAC]byte) {
	h := key.Get().(hash.Hash)
	defer key.Put(h)
	h.Reset()
	h.Write(text)
	var all [sha256.Size]byte
	copy(sum[:], h.Sum(all[:0]))
	return sum
}

var sealEncoding = base64.RawURLEncoding.Strict() // one text for one token

// Open returns the token that was sealed as text. The error is a [*TokenError]: whoever sent the text
// may be treated as if he had sent none.
func (s *Sealer) Open(text string) (Token, error) {
	if text == "" {
		return Token{}, nil
	}
	bad := func(p TokenProblem, why string) (Token, error) { return Token{}, &TokenError{p, why} }
	if len(text) > maxSealed {
		return bad(TokenMalformed, fmt.Sprintf("%d bytes are more than %d", len(text), maxSealed))
	}
	dot := strings.LastIndexByte(text, '.')
	if !strings.HasPrefix(text, sealStart) || dot < len(sealStart) {
		return bad(TokenMalformed, "it does not have three parts, the first v1")
	}
	b, err1 := sealEncoding.DecodeString(text[len(sealStart):dot])
	sum, err2 := sealEncoding.DecodeString(text[dot+1:])
	if err1 != nil || err2 != nil || len(sum) != sealMAC {
		return bad(TokenMalformed, "its parts are not what they should be in base 64")
	}
	genuine := false
	for _, key := range s.keys { // all, so that the time taken does not tell which
		want := mac(key, []byte(text[:dot]))
		genuine = hmac.Equal(sum, want[:]) || genuine
	}
	if !genuine {
		return bad(TokenForged, "no key has sealed it")
	}
	if len(b) < len(s.cluster) || [4]byte(b) != s.cluster {
		return bad(TokenForeign, "it is of another cluster")
	}
	fields, ok := uvarints(b[len(s.cluster):])
	if !ok || len(fields)%3 != 1 {
		return bad(TokenMalformed, "what was sealed is not a position")
	}
	age := s.now().Sub(time.Unix(int64(min(fields[0], math.MaxInt32*16)), 0))
	if age > s.ttl || age < -s.ttl {
		return bad(TokenExpired, fmt.Sprintf("it was sealed %s ago", age.Round(time.Second)))
	}
	t, ok := tokenOf(fields[1:])
	if !ok {
		return bad(TokenMalformed, "what was sealed is not a position")
	}
	return t, nil
}

// uvarints takes b apart.
func uvarints(b []byte) (fields []uint64, ok bool) {
	for len(b) > 0 {
		x, n := binary.Uvarint(b)
		if n <= 0 || len(fields) > 3*maxDomains {
			return nil, false
		}
		fields, b = append(fields, x), b[n:]
	}
	return fields, true
}

// tokenOf makes a token of domain, server and number of each position, in the order of domains.
func tokenOf(fields []uint64) (Token, bool) {
	at := make(gtids, 0, len(fields)/3)
	for f := range slices.Chunk(fields, 3) {
		if f[0] > math.MaxUint32 || f[1] > math.MaxUint32 {
			return Token{}, false
		}
		g := gtid{uint32(f[0]), uint32(f[1]), f[2]}
		if n := len(at); n > 0 && at[n-1].domain >= g.domain {
			return Token{}, false
		}
		at = append(at, g)
	}
	return Token{at}, len(at) > 0 && len(at) <= maxDomains
}
