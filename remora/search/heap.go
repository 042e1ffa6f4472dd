package search

// above reports whether h comes before o in a result.
func (h Hit) above(o Hit) bool {
	return h.Score > o.Score || h.Score == o.Score && h.ID < o.ID
}

// hitHeap keeps the best hits, the worst of them first.
type hitHeap []Hit

// add puts h in, in place of the worst where limit hits are held already.
func (t *hitHeap) add(h Hit, limit int) {
	s := *t
	if len(s) < limit {
		s = append(s, h)
		i := len(s) - 1
		for i > 0 && s[(i-1)/2].above(s[i]) {
			s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
			i = (i - 1) / 2
		}
		*t = s
		return
	}
	s[0] = h
	for i := 0; ; {
		worst := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(s) && s[worst].above(s[child]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		s[i], s[worst] = s[worst], s[i]
		i = worst
	}
}
