package balance

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// Info is what pickers, admitters, caches and events learn about a request.
type Info struct {
	// Method is the request's method, such as "GET".
	Method string
	// Scheme is how the client asked, "http" or "https", as far as the proxies of Options.Trusted say.
	Scheme string
	// Host is the host the client asked for, with a port if it named one.
	Host string
	// Path is the decoded path, such as "/file/1.xo".
	Path string
	// Target is path and query as the client sent them, such as "/search?q=a%20b".
	Target string
	// Client is the client's address, as far as the proxies of Options.Trusted say; not valid if it is
	// not known.
	Client netip.Addr
	// Key is the same for requests that should meet the same backend; "" for those that need not.
	// Options.Classify sets it.
	Key string
	// Priority is higher for requests that matter more; 0 unless Options.Classify sets it. Beyond 1000
	// and -1000 it makes no difference.
	Priority int
	// Background: it is no load to speak of, such as a request that waits for news. It does not count in
	// Candidate.InFlight. Options.Classify sets it.
	Background bool
	// Header returns the first value of a request's header field, "" if there is none. It is never
	// nil and may be called only until the request is answered.
	Header func(name string) string
	// Values returns all values of a header field, for which the same is true. They must not be changed.
	Values func(name string) []string
}

// Candidate is a backend that may be given a request.
type Candidate struct {
	// Name is that of the backend.
	Name string
	// Weight is its share compared with others, at least 1.
	Weight int
	// InFlight is how many requests it is serving now.
	InFlight int
	// MaxInFlight is how many it may serve at a time; 0: any number.
	MaxInFlight int
	// Latency is about how long it takes until its answers begin; 0: not known. A slow answer raises
	// it at once, quick ones lower it slowly, and it halves in 10 s when there are none. Requests with
	// a body are not in it, since clients upload at their own pace, nor are those that
	// [Balancer.ServeHTTP] gives to a Handler, which may wait for the client.
	Latency time.Duration
}

// Picker chooses one backend for a request.
type Picker interface {
	// Pick returns the index of one of the candidates, of which there is at least one; any other
	// number means none, and the request is refused. It is called concurrently, must not block, and
	// must not keep the slice.
	Pick(in Info, candidates []Candidate) int
}

// Admitter decides whether a backend takes one more request.
type Admitter interface {
	// Admit reports whether the candidate may serve the request besides those in flight. It is asked
	// before a backend is picked and, when others came in between, after; so it must not count. It
	// is called concurrently and must not block.
	Admit(in Info, c Candidate) bool
}

// Checker finds out whether a backend is well.
type Checker interface {
	// Check returns nil if the backend is well, and else a reason. It is called concurrently for
	// different backends and must return soon after ctx is done, which is after Options.CheckTimeout.
	Check(ctx context.Context, backend Backend) error
}

// Cache stands between clients and backends: it may answer a request in their place, and learns of
// every request that could change what it holds. The rules of caching are its own matter.
type Cache interface {
	// Serve answers one request, of any method but CONNECT, from what it holds or by what backend
	// answers. ctx ends when the client goes away. The error says that what was written to w is cut
	// short; the connection to the client is then broken off.
	Serve(ctx context.Context, w http.ResponseWriter, in Info, backend Fetcher) error
}

// A Fetcher asks the backends of a pool for the answer to one request.
type Fetcher interface {
	// Fetch has a backend answer to w. ctx takes the place of the request's: it may end earlier, or
	// outlive the client. With change, fields of the request's header are set, or removed where the
	// list is empty; it must not be changed any more. The error says that the answer was cut short:
	// what has been written must not be taken for whole. When ctx ends, an answer that has not begun
	// may be left out without an error.
	//
	// Fetch may be called again when it has returned, unless there is a body, and by any goroutine as
	// long as Cache.Serve has not returned.
	Fetch(ctx context.Context, w http.ResponseWriter, change http.Header) error
	// HasBody says whether the request has a body, which can be read only once.
	HasBody() bool
	// Detach returns a Fetcher and an Info for the same request without its body, which may be used
	// when Cache.Serve has returned, and until the caller wants.
	Detach() (Fetcher, Info)
}

// Events are called when something happens, if they are not nil: synchronously, concurrently, and
// so they must not block.
type Events struct {
	// Health: a backend has become healthy or, for the reason given, unhealthy.
	Health func(backend string, healthy bool, reason error)
	// Attempt: a backend has begun its answer (err is nil), or failed to. status is 0 with an error
	// and for a backend that is a Handler, whose attempt is reported when it has returned.
	Attempt func(in Info, backend string, status int, took time.Duration, err error)
	// Cut: the answer of a backend broke off, and with it that to the client.
	Cut func(in Info, backend string, err error)
	// Refused: no backend may take the request; err matches [ErrNoBackend], and [RefusedWhy] has a word
	// for it.
	Refused func(in Info, err error)
	// Queued: a request has waited in the queue for so long, and has a backend now or, with an error,
	// none.
	Queued func(in Info, waited time.Duration, err error)
	// Done: a request of [Balancer.ServeHTTP] has come to its end. The Record must not be kept.
	Done func(*Record)
}

func (e *Events) health(backend string, healthy bool, reason error) {
	if e.Health != nil {
		e.Health(backend, healthy, reason)
	}
}

func (e *Events) attempt(in Info, backend string, status int, took time.Duration, err error) {
	if e.Attempt != nil {
		e.Attempt(in, backend, status, took, err)
	}
}

func (e *Events) cut(in Info, backend string, err error) {
	if e.Cut != nil {
		e.Cut(in, backend, err)
	}
}

func (e *Events) refused(in Info, err error) {
	if e.Refused != nil {
		e.Refused(in, err)
	}
}

func (e *Events) queued(in Info, waited time.Duration, err error) {
	if e.Queued != nil {
		e.Queued(in, waited, err)
	}
}

// limit is the default Admitter: Backend.MaxInFlight.
type limit struct{}

func (limit) Admit(_ Info, c Candidate) bool {
	return c.MaxInFlight == 0 || c.InFlight < c.MaxInFlight
}
