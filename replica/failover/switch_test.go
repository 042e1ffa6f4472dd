package failover

import "testing"

// A planned switch while a guard looks on is no alarm.
func TestPlannedSwitchRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	w, _, _ := armed(t, nil)
	before := len(w.events())
	for range 5 {
		for _, to := range []string{"b", "a"} {
			if _, err := w.Promoter().Promote(t.Context(), to, nil); err != nil {
				t.Fatal(err)
			}
			w.await("the guard sees it", func(s Status) bool { return s.Primary == to })
		}
	}
	for _, e := range w.events()[before:] {
		if e.Kind == SplitBrain {
			t.Errorf("event %+v", e)
		}
	}
}
