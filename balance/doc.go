// Package balance spreads HTTP requests over a pool of backends, each an address or an
// [http.Handler], and keeps clients from noticing when one of them is slow to start, being replaced,
// or gone.
//
// A [Balancer] is an [http.Handler] for servers, and by [Balancer.RoundTripper] a transport for
// clients. It is built on [httputil.ReverseProxy]; the parts that decide (who is picked, who is
// healthy, who is let in, what is kept) are small interfaces that see an [Info] and never an
// *http.Request.
//
// # Which backend
//
// A [Picker] chooses among the candidates: backends that are not draining, have not been tried for
// this request, are below their limit ([Admitter]), and are healthy. Healthy backups come next
// (Backend.Backup), then backends that no health check has judged yet. When none of these is left, the pool
// fails open: unhealthy backends are used rather than nobody, because the check, or our own network, may be
// what is wrong. Draining and disabled backends are never used. A pool with one backend therefore works the same with and without health
// checks.
//
// A [Sticker] goes before the Picker where a backend holds something of a client, such as a session: it says
// whom the client has met, by a signed cookie for example ([StickyCookie]), and the request goes there unless that
// backend is not well, full, or gone.
//
// # Who is well
//
// Health checks ([Checker]) say whether a backend is healthy; [HTTPCheck] is the usual one. What happens to
// requests says more and says it sooner ([OutlierOptions]). Failures in a row, a share of errors far above that of the
// others, or answers many times slower than theirs eject a backend, for longer each time; then single
// requests that can be repeated try it. One that answers nothing while requests wait for it is looked into at once,
// and if its health check gets no answer either, it is unhealthy within about a tenth of a second, and those
// requests go elsewhere. A backend may also say itself that it is busy or about to end ([Report]; package
// heartbeat). None of this empties a pool: the last backend is never ejected, no more than half of them are, and
// where all are unhealthy all are used. Options.Panic has that happen earlier, and Options.Self tells a
// machine that is cut off from backends that are sick. [Status] says of each backend why it is as it is, and
// since when.
//
// # Changes of the pool
//
// [Balancer.Set], [Balancer.Add], [Balancer.Remove] and [Balancer.SetWeight] replace the list of backends at once,
// for the requests that come after; no request is lost by that. What is known of a backend, and what an operator
// has told it ([Balancer.Drain], [Balancer.Disable]), outlives these as long as it keeps its name and address;
// weights and limits are always those of the list given last. A backend that is new in a pool that had others, or
// well again, begins with a tenth of its share if Options.SlowStart says for how long. Package balance/nodes keeps
// a pool by a file and by DNS.
//
// # Who waits
//
// While all backends serve as many requests as they may (Backend.MaxInFlight), others wait in a queue of
// bounded length, and a backend that becomes free takes the one whose turn it is. Higher priorities,
// which Options.Classify gives, have a head start, so nobody starves. A request is refused at once when
// the wait would be too long for it, as far as the recent pace tells, or too many wait; when there is more load
// than the backends can bear for a while, the queue is kept short and what matters least is refused first. 503
// with Retry-After says when to come again. [QueueOptions] has the limits. Backends learn how crowded it is by the
// fields X-Queue-Count (requests that wait), X-Queue-Age (how long the next of them has, in seconds) and
// X-Queue-Wait (how long this one has, in milliseconds), which are there only when somebody waits or has.
//
// # What is tried again
//
// A request goes to another backend when no connection to the first could be made, and, if its
// method is idempotent (RFC 9110, section 9.2.2), when that backend failed before the header of its
// answer arrived and nothing of the request's body had been read, unless all of it had been received. It
// goes there, too, when Options.Elsewhere does not want the answer that it got. No backend is tried twice for one
// request and no request more than Options.Attempts times; retries of all requests together are held
// below a share of the requests, so that a dying pool is not buried by them. [RetryOptions] has that share,
// and a limit for the time of one attempt, after which a request asks elsewhere if there is room. Below this, [http.Transport]
// opens a new connection to the same backend when a kept-alive one turns out to be closed.
//
// A backend that hangs is found out by its health checks. Requests that then still wait for the header
// of its answer, and by the rules above may go elsewhere, do so at once if another backend is healthy.
//
// An answer that has begun is never tried again. When the backend breaks off in the middle of its
// answer, or sends nothing for Options.IdleTimeout, the connection to the client is broken off too
// (HTTP/2: the stream is reset): a short answer never looks complete. Answers of any status are
// passed on as they are, redirects included; errors of the balancer's own are 503 with Retry-After
// (no backend may take the request, or none could be connected to: nobody has seen it), 502 (a
// backend failed with it, and may have acted on it) and 504 (the backend was too slow).
//
// # Slow clients
//
// The body of a request is received whole before a backend is chosen, or joins the queue; then it can be sent again,
// and a client that breaks off has cost no backend anything. Requests that want an answer while they are still
// sent are left out by BodyOptions.Stream.
//
// When a client is slow to take its answer, the answer is read ahead, into memory and then into a file without a
// name, so that the backend is free as soon as it has said all; what it sends still reaches the client at
// once. When there is no room the backend waits for the client. [BodyOptions] has the limits, which are for all
// bodies together.
//
// # Handing off
//
// A backend that has a URL need not send a file itself: it says which one, by X-Accel-Redirect, X-Sendfile,
// X-Reproxy-File or X-Reproxy-URL, and is free at once. The balancer sends it from a folder that it does not
// leave, or from servers that it may ask. [HandoffOptions] says what may be sent. It is not for Handlers, which can
// call [http.ServeContent], nor for [Balancer.RoundTripper].
//
// # What a backend sees
//
// Host, path and query are those of the client. X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto and
// X-Forwarded-Port are set anew, Forwarded (RFC 7239) and X-Real-IP by [ForwardOptions]; what the client
// claimed in these and other X-Forwarded fields is believed only from Options.Trusted. Names that differ
// from theirs, or from those of fields that frame a message, only by an underscore are removed, since
// some servers take them for the same. Hop-by-hop fields (RFC 9110, section 7.6.1) are removed; a
// Connection field that names what is set here takes nothing away. Bodies that are not received first stream in both
// directions; HEAD, ranges, informational answers, trailers and upgraded connections pass, but no trailer that means
// something only before a body. A backend whose URL begins with h2c:// is spoken to in HTTP/2 without TLS,
// so that calls of gRPC pass that come in HTTP/2. A backend
// that is a Handler is called directly and gets the client's own request with only the forwarding
// fields changed.
//
// What stands between clients and a balancer, from TLS to requests that two servers would read in two
// ways, is the matter of package balance/edge.
//
// # What is kept
//
// With Options.Cache, each request goes to the cache first, which answers it or has a backend answer it.
// Unsafe methods pass through it as well, so that it learns of changes. Package balance/cache is an HTTP
// cache (RFC 9111); nothing here knows its rules.
//
// # What administrators see
//
// Events.Done gets a [Record] of each request: which backend, how long in the queue, until the first byte
// and in all, and why it ended. Package balance/accesslog writes them down. [Balancer.Stats],
// [Balancer.Timings] and [Balancer.Snapshot] have the figures, [Balancer.Summary] says in a sentence how the
// pool is, and [Balancer.StatusHandler] shows all of it. Package balance/console is for the terminal.
// Answers of the balancer's own can be made to look like the rest of a site: [OperationsOptions].
package balance
