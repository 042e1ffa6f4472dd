package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// Options are what may be left out; the zero value is good.
type Options struct {
	// Bytes bounds what is stored, headers and bookkeeping included: 64 KiB to 1 TiB; 0 means 64 MiB.
	Bytes int64
	// ObjectBytes bounds the responses of one URL, all variants together: 1 KiB to 1 GiB, and at most
	// half of Bytes; 0 means an eighth of Bytes, but at most 1 GiB. What is larger passes without being
	// stored.
	ObjectBytes int64
	// PendingBytes bounds the bodies that are being fetched to be stored; 0 means a quarter of Bytes.
	// What does not fit passes without being stored.
	PendingBytes int64
	// FinishBytes: a response that is being stored is fetched to its end when its client goes away if
	// no more than this is missing, or if others wait for it. 0 means 1 MiB, a negative number never.
	FinishBytes int64
	// FetchTimeout bounds how long a fetch may take when no client waits for it; 1 ms to 1 h, 0 means
	// 30 s.
	FetchTimeout time.Duration
	// CoalesceWait is how long a request waits for the answer to one like it that has gone to a
	// backend already, before it goes there on its own: 1 ms to 1 h; 0 means 5 s. It does not wait for
	// one of lower priority.
	CoalesceWait time.Duration
	// Background bounds the validations that go on while a stale response is served
	// (stale-while-revalidate); 1 to 10000, 0 means 16. Above it, requests validate themselves.
	Background int
	// Variants bounds how many responses to one URL are stored for different request headers (Vary): 1
	// to 1000; 0 means 16. The oldest go first.
	Variants int
	// Heuristic: responses that say nothing about freshness but have Last-Modified are fresh for a
	// tenth of the time since then, at most a day (RFC 9111, section 4.2.2).
	Heuristic bool
	// Key, if not nil, tells which requests are the same but for what Vary says; "" keeps a request out
	// of the cache. Without it these are scheme, host, path and query. Purges by URL, and
	// requests that invalidate, call it with a GET for that URL without any header fields. It must not
	// block, and must keep apart what different people may see.
	Key func(in balance.Info) string
	// Name is that of this cache in the field Cache-Status (RFC 9211), a token; "" means "balance".
	Name string
	// ShowKey adds the key to Cache-Status.
	ShowKey bool
	// KeepTags leaves the fields Surrogate-Key and Cache-Tag in answers, for a cache before this one.
	KeepTags bool
	// OnHit, if not nil, is called when a request was answered by a stored response: by one that was
	// fresh, stale but allowed, just validated, or fetched for another client at the same time. status
	// is what the client got (200, 206, 304, 404, ...), bytes how much of the body; fewer than the
	// whole if it went away. It must not block.
	OnHit func(in balance.Info, status int, bytes int64)
	// Logger gets the failures of fetches that no client waits for; nil: none.
	Logger *slog.Logger
}

// withDefaults returns a checked copy; the error reports all mistakes.
func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Name == "" {
		c.Name = "balance"
	}
	var errs []error
	if !isToken(c.Name) || !isAlpha(c.Name[0]) {
		errs = append(errs, fmt.Errorf("cache: Options.Name is %q; it must be a word of letters, digits and signs such as - that begins with a letter", c.Name))
	}
	number := func(name string, value *int64, def, least, most int64) {
		if *value == 0 {
			*value = def
		}
		if *value < least || *value > most {
			errs = append(errs, fmt.Errorf("cache: Options.%s is %d; it must be between %d and %d, or 0 for %d", name, *value, least, most, def))
		}
	}
	number("Bytes", &c.Bytes, 64<<20, 64<<10, 1<<40)
	number("ObjectBytes", &c.ObjectBytes, min(max(c.Bytes/8, 1<<10), 1<<30), 1<<10, max(1<<10, min(c.Bytes/2, 1<<30)))
	number("PendingBytes", &c.PendingBytes, max(c.Bytes/4, 1<<10), 1<<10, 1<<40)
	number("FinishBytes", &c.FinishBytes, 1<<20, -1<<62, 1<<40)
	for _, n := range []struct {
		name            string
		value           *int
		def, least, all int64
	}{{"Background", &c.Background, 16, 1, 10000}, {"Variants", &c.Variants, 16, 1, 1000}} {
		v := int64(*n.value)
		number(n.name, &v, n.def, n.least, n.all)
		*n.value = int(v)
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{{"FetchTimeout", &c.FetchTimeout, 30 * time.Second}, {"CoalesceWait", &c.CoalesceWait, 5 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < time.Millisecond || *d.value > time.Hour {
			errs = append(errs, fmt.Errorf("cache: Options.%s is %v; it must be between 1ms and 1h, or 0 for %v", d.name, *d.value, d.def))
		}
	}
	return c, errors.Join(errs...)
}
