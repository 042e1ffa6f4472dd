// Package cache is a shared HTTP cache (RFC 9111) in memory that stands before the backends of a
// [balance.Balancer]: a [Cache] is a [balance.Cache].
//
// # What is stored
//
// Whole responses to GET that say how long they are fresh, by Cache-Control, CDN-Cache-Control (RFC
// 9213, which wins) or Expires, or that may be stored and validated. Nothing is stored that says
// no-store or private, that answers a request with Authorization unless the response allows it, that
// varies by *, has trailers, or sets a cookie and is not public, nor what is about one request, such as
// 400, 416 or 429. Freshness is guessed only with
// Options.Heuristic. What is not clear is read the stricter way: a time that cannot be read is zero;
// what forbids holds even where its syntax is wrong; what allows does not.
//
// A response that breaks off, or is not as long as its header says, is never stored, nor is one
// whose request was sent before a purge or a change of the same URL.
//
// # What is served
//
// Fresh responses, to whom Vary lets them, also for HEAD, for conditional requests and for single
// ranges. Of what is stale the backend is asked, by ETag and Last-Modified. A stale response is
// served only where it allows that itself: while it is validated (stale-while-revalidate), or when the
// backend fails (stale-if-error; RFC 5861). must-revalidate, proxy-revalidate, s-maxage and no-cache
// forbid both, and max-stale of a client allows nothing. Cache-Status (RFC 9211) says in each answer
// what has happened.
//
// Requests that want the same at the same time share one fetch. Whoever waits goes on alone when the
// answer turns out to be of no use for others, when it fails, or after Options.CoalesceWait. The
// client gets a large body while it is being fetched; one that reads slowly holds up neither the
// backend nor the others. When it goes away, the rest is fetched if others wait for it or little is
// missing (Options.FinishBytes).
//
// Requests with other methods pass; the unsafe ones make what is stored for their URL invalid, and for
// Location and Content-Location of their answer. Requests with bodies, with If-Match or
// If-Unmodified-Since, and upgrades pass too, and so do those that could make a backend answer
// otherwise than its URL and Vary say: whose Connection takes fields away, or whose X-Forwarded-Host is
// another host. Vary by fields that the balancer sets, such as X-Forwarded-For, is taken for Vary: *.
//
// # What an administrator can do
//
// Purge by URL, by tag (the fields Surrogate-Key and Cache-Tag of responses) or everything, and read
// [Stats]. Memory is bounded by Options.Bytes; what is used often is kept.
package cache
