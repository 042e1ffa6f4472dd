package nfsproof

import (
	"math/rand/v2"
	"testing"
)

// The server loses its power and comes back while its clients go on. It may have acknowledged a name
// that it knows no more when the fence comes: without looking after the fence, two of eight such runs
// lost a name or brought one back.
func TestOutages(t *testing.T) {
	t.Parallel()
	b := bench(t)
	for _, p := range Places {
		if p.Server != Ganesha || !p.Mount {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			r, err := b.Outage(t.Context(), p, 60+rand.IntN(60))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v, in %v", r.Found, r.Took)
			if r.Found.Broken() {
				t.Errorf("%v\n%v", r.Found, r.Found.Examples)
			}
		})
	}
}
