package balance

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// RefusedWhy returns a word for an error of [Events].Refused, for logs and counters: "full" (and there is no
// queue), "crowded", "hopeless", "shed", "overstayed" or "pushed", which [QueueStats] explains,
// "no backend" for others that match [ErrNoBackend], and "" for what is no refusal.
func RefusedWhy(err error) string {
	for _, r := range [...]struct {
		err  error
		word string
	}{
		{errFull, "full"}, {errCrowded, "crowded"}, {errHopeless, "hopeless"}, {errShed, "shed"},
		{errOverstay, "overstayed"}, {errPushed, "pushed"}, {ErrNoBackend, "no backend"},
	} {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return ""
}

// maxRetryAfter is the most that clients are asked to wait for their next attempt.
const maxRetryAfter = 30 * time.Second

// retryAfter is when a refused client should come again: not before those who wait now are served,
// and not all clients in the same second.
func (q *queue) retryAfter(least time.Duration) time.Duration {
	if q.waiting.Load() == 0 {
		return least
	}
	q.mu.Lock()
	wait := q.pace.expect(len(q.heap), time.Now())
	q.mu.Unlock()
	wait = min(max(wait, least), max(least, maxRetryAfter))
	return wait + time.Duration(rand.Int64N(int64(wait)/2+1))
}

// The fields that tell a backend of the queue before it. The first two are Perlbal's.
const (
	queueCount = "X-Queue-Count" // requests that wait
	queueAge   = "X-Queue-Age"   // how long the next of them has, in seconds
	queueWait  = "X-Queue-Wait"  // how long this one has, in milliseconds
)

// setQueue tells the backend how crowded it is, if it is: it may do less then. What a client says is
// not believed.
func (x *exchange) setQueue(h http.Header) {
	h.Del(queueCount)
	h.Del(queueAge)
	h.Del(queueWait)
	q := x.b.queue
	if x.queued == 0 && q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	count, age := len(q.heap), time.Duration(0)
	if count > 0 {
		age = time.Since(q.heap[0].x.came)
	}
	q.mu.Unlock()
	h.Set(queueCount, strconv.Itoa(count))
	h.Set(queueAge, strconv.FormatInt(int64(age/time.Second), 10))
	h.Set(queueWait, strconv.FormatInt(x.queued.Milliseconds(), 10))
}
