package promote

import (
	"context"
	"fmt"
	"time"
)

// listen has a replica of a primary that answers receive by the settings that were just made: they count
// from the next connection on. It reports whether it connects anew.
//
// How often the primary is to show that it is there, while nothing is written, is kept with the
// connection from the time when that was made. If that is longer than slave_net_timeout, the replica takes
// an idle primary for a lost one, again and again.
func (o *operation) listen(ctx context.Context, s *server, mode Mode) (again bool, err error) {
	c := &s.facts.sources[0]
	name := c.name()
	period := mode.silence() / 2
	if c.heartbeat > 0 && c.heartbeat <= period {
		if s.facts.sendsNow && s.facts.silence == mode.silence() {
			return false, nil
		}
		return true, s.exec(ctx, "STOP SLAVE "+name+" IO_THREAD", "START SLAVE "+name+" IO_THREAD")
	}
	// The connection is changed while both threads are stopped, and what is not applied then is fetched
	// again. It may be the only copy but the primary's, so it is applied first.
	if err := s.stopReceiving(ctx); err != nil {
		return false, err
	}
	if err := o.applyAll(ctx, s); err != nil {
		o.receiveAgain(context.WithoutCancel(ctx), s)
		return false, fmt.Errorf("%w; its connection was to be changed, so that it hears of the primary every %s", err, period)
	}
	return true, s.exec(ctx, "STOP SLAVE "+name, fmt.Sprintf("CHANGE MASTER %s TO MASTER_HEARTBEAT_PERIOD = %d", name, period/time.Second), "START SLAVE "+name)
}
