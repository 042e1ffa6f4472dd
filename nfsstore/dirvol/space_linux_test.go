package dirvol

import "testing"

func TestProduct(t *testing.T) {
	for _, c := range []struct{ n, unit, want uint64 }{
		{0, 4096, 0}, {3, 4096, 12288}, {1 << 60, 4096, 1<<63 - 1}, {1 << 51, 4096, 1<<63 - 1}, {1<<51 - 1, 4096, 1<<63 - 4096},
	} {
		if got := product(c.n, c.unit); got != int64(c.want) {
			t.Errorf("product(%d, %d) = %d, want %d", c.n, c.unit, got, c.want)
		}
	}
}
