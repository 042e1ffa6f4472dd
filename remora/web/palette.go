package web

// A pair is the two colours of an XO: every child's laptop, and so every icon, has a stroke and a
// fill. They are part of an icon's address; style/10-base.css knows them by number too.
type pair struct{ stroke, fill string }

// pairs are some of the colour pairs of Sugar (sugar3.graphics.xocolor): those whose stroke stands
// out from the light tile an icon lies on by more than 3:1 (WCAG 2.2, 1.4.11), and whose two colours
// are not of the same hue family. Adding one needs a rule .xo-N in style/10-base.css; a test checks.
var pairs = [...]pair{
	{"b20008", "ff8f00"},
	{"9a5200", "f8e800"},
	{"807500", "00a0ff"},
	{"008009", "f8e800"},
	{"00588c", "00ea11"},
	{"005fe4", "ff8f00"},
	{"5e008c", "ff2b34"},
	{"7f00bf", "00a0ff"},
	{"005fe4", "00ea11"},
	{"b20008", "00a0ff"},
	{"00588c", "ff2b34"},
	{"5e008c", "00ea11"},
}

// pairOf returns the number of the pair an activity wears: always the same, and spread evenly over
// neighbouring ids.
func pairOf(id int64) int {
	x := uint64(id) * 0x9E3779B97F4A7C15 // Knuth, multiplicative hashing: 2^64 over the golden ratio
	return int((x >> 32) % uint64(len(pairs)))
}
