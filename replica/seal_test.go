package replica

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sealer returns one whose clock is the test's.
func sealer(t testing.TB, clock *time.Time, cluster string, keys ...string) *Sealer {
	t.Helper()
	c := SealerConfig{Cluster: cluster}
	for _, k := range keys {
		c.Keys = append(c.Keys, []byte(k))
	}
	s, err := NewSealer(c)
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return *clock }
	return s
}

const (
	keyA = "sixteen bytes, a"
	keyB = "sixteen bytes, b"
)

func problem(err error) TokenProblem {
	var e *TokenError
	if !errors.As(err, &e) || !errors.Is(err, ErrToken) {
		return TokenProblem("not a TokenError that wraps ErrToken")
	}
	return e.Problem
}

func TestSealedTokens(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	s := sealer(t, &clock, "catalog", keyA)
	good := s.Seal(Token{ids("0-1-4711")})
	if len(good) > 56 {
		t.Errorf("%q has %d characters, which is a lot for a cookie", good, len(good))
	}
	if got, err := s.Open(good); err != nil || got.String() != "0-1-4711" {
		t.Errorf("opened: %v, %v", got, err)
	}
	if got, err := s.Open(s.Seal(Token{})); err != nil || got.String() != "" || s.Seal(Token{}) != "" {
		t.Errorf("the zero token becomes %v, %v", got, err)
	}
	flip := func(i int) string {
		b := []byte(good)
		if b[i] ^= 1; b[i] == '.' || b[i] == good[i] {
			t.Fatal("flip")
		}
		return string(b)
	}
	dot := strings.LastIndexByte(good, '.')
	other := sealer(t, &clock, "catalog", keyB)
	restored := sealer(t, &clock, "catalog after the restore", keyA)
	for name, c := range map[string]struct {
		by   *Sealer
		text string
		want TokenProblem
	}{
		"plain":             {s, "0-1-4711", TokenMalformed},
		"cut short":         {s, good[:len(good)-1], TokenMalformed},
		"cut to the dot":    {s, good[:dot+1], TokenMalformed},
		"without signature": {s, good[:dot], TokenMalformed},
		"version only":      {s, "v1.", TokenMalformed},
		"two dots":          {s, "v1..", TokenMalformed},
		"longer than any":   {s, "v1." + strings.Repeat("A", maxSealed), TokenMalformed},
		"another version":   {s, "v2" + good[2:], TokenMalformed},
		"padding":           {s, good + "=", TokenMalformed},
		"changed position":  {s, flip(12), TokenForged},
		"changed signature": {s, flip(dot + 3), TokenForged},
		"nothing, unsigned": {s, "v1.." + strings.Repeat("A", 22), TokenForged},
		"another key":       {other, good, TokenForged},
		"another cluster":   {restored, good, TokenForeign},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := c.by.Open(c.text); problem(err) != c.want || len(got.at) != 0 {
				t.Errorf("%q gives %v and %v, want the problem %s", c.text, got, err, c.want)
			} else if strings.Contains(err.Error(), good[5:20]) {
				t.Errorf("the error %v repeats the token", err)
			}
		})
	}
	for age, want := range map[time.Duration]bool{0: true, defaultTTL: true, defaultTTL + time.Second: false, -defaultTTL: true, -defaultTTL - time.Second: false} {
		clock = time.Unix(1_800_000_000, 0).Add(age)
		if _, err := s.Open(good); (err == nil) != want || err != nil && problem(err) != TokenExpired {
			t.Errorf("at age %s: %v", age, err)
		}
	}
}

// TestKeysRotate changes keys on two front ends, one after the other, in the three steps of the
// documentation: whatever one seals, the other opens.
func TestKeysRotate(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	steps := [][]string{{keyA}, {keyA, keyB}, {keyB, keyA}, {keyB}}
	for i := range len(steps) - 1 {
		before, after := sealer(t, &clock, "", steps[i]...), sealer(t, &clock, "", steps[i+1]...)
		for _, way := range [][2]*Sealer{{before, after}, {after, before}} {
			if got, err := way[1].Open(way[0].Seal(Token{ids("0-1-5")})); err != nil || got.String() != "0-1-5" {
				t.Errorf("step %d: %v, %v", i, got, err)
			}
		}
	}
	// The control: a change in one step has a gap.
	if _, err := sealer(t, &clock, "", keyB).Open(sealer(t, &clock, "", keyA).Seal(Token{ids("0-1-5")})); problem(err) != TokenForged {
		t.Errorf("a token of a key that is not known gives %v", err)
	}
}

func TestSealerReportsAllMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		config SealerConfig
		want   []string
	}{
		"nothing":     {SealerConfig{}, []string{"there are 0 keys"}},
		"short, long": {SealerConfig{Keys: [][]byte{[]byte(keyA), []byte("too short")}, TTL: 366 * 24 * time.Hour}, []string{"key 2 for tokens has 9 bytes", "TTL"}},
		"too many":    {SealerConfig{Keys: make([][]byte, 17), TTL: time.Millisecond}, []string{"there are 17 keys", "key 17", "TTL"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewSealer(c.config)
			for _, w := range c.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not say %q", err, w)
				}
			}
		})
	}
}

func TestSealedIsWhatWasSealed(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	s := sealer(t, &clock, "", keyA)
	rapid.Check(t, func(t *rapid.T) {
		want := Token{position(t, "token")}
		text := s.Seal(want)
		got, err := s.Open(text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.String(), got.String()); d != "" {
			t.Error(d)
		}
		if len(text) > maxSealed || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%q", text)
		}
	})
	widest := Token{}
	for d := range uint32(maxDomains) {
		widest.at = append(widest.at, gtid{1<<32 - maxDomains + d, 1<<32 - 1, 1<<64 - 1})
	}
	if got, err := s.Open(s.Seal(widest)); err != nil || got.String() != widest.String() {
		t.Errorf("the widest token: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	clock := time.Unix(1_800_000_000, 0)
	s := sealer(f, &clock, "", keyA)
	f.Add(s.Seal(Token{ids("0-1-4711")}), []byte{})
	f.Add("v1..", []byte{0, 1})
	f.Add("", []byte("\x00\x00\x01\x05"))
	f.Fuzz(func(t *testing.T, text string, sealed []byte) {
		// Whatever is opened was sealed by the key, and in this one text.
		if got, err := s.Open(text); err == nil && text != "" {
			if again := s.Seal(got); len(again) > maxSealed {
				t.Errorf("%q is opened", text)
			}
		} else if err != nil && problem(err) == "" {
			t.Error(err)
		}
		// What a holder of the key could seal does not break anything either.
		if fields, ok := uvarints(sealed); ok {
			if got, ok := tokenOf(fields[:len(fields)/3*3]); ok {
				if parsed, err := ParseToken(got.String()); err != nil || parsed.String() != got.String() {
					t.Errorf("%v: %v", got, err)
				}
			}
		}
	})
}
