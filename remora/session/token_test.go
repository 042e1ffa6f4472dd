package session

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/site"
)

func key(b byte) []byte { return []byte(strings.Repeat(string(rune('a'+b)), 32)) }

func sessions(t testing.TB, library Library, change func(*Config)) *Sessions {
	t.Helper()
	where, err := site.New(site.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Keys: [][]byte{key(0)}, Library: library, Site: where}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed returns any text with a good sum.
func signed(s *Sessions, text string) string { return text + "." + s.keys[0].sum(text) }

func TestTokens(t *testing.T) {
	s := sessions(t, &shelf{}, nil)
	for _, want := range []Token{
		{Position: remora.Position{Epoch: "0b1c2d3e4f506172", Seq: 0}},
		{Position: remora.Position{Epoch: "e", Seq: math.MaxInt64}, Replica: "0-1-42.7-3-1"},
		{Position: remora.Position{Epoch: strings.Repeat("e", maxEpoch), Seq: math.MaxInt64}, Replica: strings.Repeat("9", maxReplica)},
	} {
		text, err := s.Sign(want)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > maxToken {
			t.Errorf("a token of %d bytes, more than %d", len(text), maxToken)
		}
		if c, err := http.ParseSetCookie((&http.Cookie{Name: CookieName, Value: text}).String()); err != nil || c.Value != text {
			t.Errorf("the token does not survive in a cookie: %v", err)
		}
		got, err := s.Verify(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	for _, bad := range []Token{
		{},
		{Position: remora.Position{Epoch: "e", Seq: -1}},
		{Position: remora.Position{Epoch: "e.f", Seq: 1}},
		{Position: remora.Position{Epoch: "e;", Seq: 1}},
		{Position: remora.Position{Epoch: strings.Repeat("e", maxEpoch+1), Seq: 1}},
		{Position: remora.Position{Epoch: "e", Seq: 1}, Replica: "0-1-2,0-1-3"},
		{Position: remora.Position{Epoch: "e", Seq: 1}, Replica: strings.Repeat("9", maxReplica+1)},
	} {
		if text, err := s.Sign(bad); err == nil {
			t.Errorf("Sign(%+v) = %q", bad, text)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	s := sessions(t, &shelf{}, nil)
	good := signed(s, "1.e.7.0-1-2")
	if _, err := s.Verify(good); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"nothing":           "",
		"dots":              "....",
		"no sum":            "1.e.7",
		"a short sum":       good[:len(good)-1],
		"a long sum":        good + "A",
		"too long":          signed(s, "1.e.7."+strings.Repeat("9", maxToken)),
		"another version":   signed(s, "2.e.7"),
		"no epoch":          signed(s, "1..7"),
		"no number":         signed(s, "1.e"),
		"an empty number":   signed(s, "1.e."),
		"a sign":            signed(s, "1.e.+7"),
		"below zero":        signed(s, "1.e.-7"),
		"a leading zero":    signed(s, "1.e.07"),
		"too large":         signed(s, "1.e.9223372036854775808"),
		"an empty replica":  signed(s, "1.e.7."),
		"a foreign replica": signed(s, "1.e.7.a,b"),
		"a space":           signed(s, "1.e.7 "),
		"another key":       "1.e.7." + newMACs(key(5)).sum("1.e.7"),
		"another purpose":   "1.e.7." + newMACs(key(0)).sum("e.7"),
	}
	for i := range good {
		b := []byte(good)
		b[i] ^= 1
		cases[fmt.Sprint("byte ", i, " changed")] = string(b)
	}
	for name, text := range cases {
		if got, err := s.Verify(text); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	with := func(keys ...[]byte) *Sessions { return sessions(t, &shelf{}, func(c *Config) { c.Keys = keys }) }
	older, both, newer := with(key(0)), with(key(1), key(0)), with(key(1))
	token := Token{Position: remora.Position{Epoch: "e", Seq: 1}}
	for _, c := range []struct {
		by, at *Sessions
		want   bool
	}{{older, both, true}, {both, newer, true}, {both, older, false}, {older, newer, false}} {
		text, err := c.by.Sign(token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.at.Verify(text); (err == nil) != c.want {
			t.Errorf("Verify = %v, want success %v", err, c.want)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(verb, older) + fmt.Sprintf(verb, *older); strings.Contains(shown, string(key(0))) || strings.Contains(shown, "97, 97") || strings.Contains(shown, "97 97") || strings.Contains(shown, "0x61, 0x61") {
			t.Errorf("%s shows the key: %s", verb, shown)
		}
	}
}

func TestTokensAreOneToOne(t *testing.T) {
	s := sessions(t, &shelf{}, nil)
	rapid.Check(t, func(t *rapid.T) {
		want := Token{
			Position: remora.Position{
				Epoch: rapid.StringMatching(`[0-9A-Za-z_-]{1,64}`).Draw(t, "epoch"),
				Seq:   rapid.Int64Range(0, math.MaxInt64).Draw(t, "seq"),
			},
			Replica: rapid.StringMatching(`[0-9A-Za-z._-]{0,100}`).Draw(t, "replica"),
		}
		text, err := s.Sign(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Verify(text); err != nil || got != want {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, text := range []string{"", "1.e.7", "1.e.7.0-1-2.3-4-5", "1..7", "2.e.7", "1.e.07", "1.e.9223372036854775807", "1.e.7.", "1.e.7.\x00"} {
		f.Add(text)
	}
	s := sessions(f, &shelf{}, nil)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.Verify(text); err == nil {
			t.Fatalf("a text without a sum was taken for a token: %q", text)
		}
		got, err := s.Verify(signed(s, text))
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Fatal(err)
			}
			return
		}
		again, err := s.Sign(got)
		if err != nil || again != signed(s, text) {
			t.Fatalf("%q was read as %+v, which is written %q, %v", text, got, again, err)
		}
	})
}
