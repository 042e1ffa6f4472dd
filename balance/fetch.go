package balance

import (
	"context"
	"net/http"
)

// A fetcher is one request as a cache sees it.
type fetcher struct {
	b  *Balancer
	r  *http.Request
	in Info
	v  *visit // nil: no client waits
}

func (f *fetcher) Fetch(ctx context.Context, w http.ResponseWriter, change http.Header) error {
	return f.b.serve(w, withFields(ctx, f.r, change), f.in, f.v)
}

func (f *fetcher) HasBody() bool { return hasBody(f.r) }

// hasBody reports whether a request that a server has got has a body. Those of HTTP/2 always have a
// Body to read from.
func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

func (f *fetcher) Detach() (Fetcher, Info) {
	r := f.r.Clone(context.WithoutCancel(f.r.Context()))
	r.Body, r.GetBody, r.ContentLength, r.TransferEncoding = http.NoBody, nil, 0, nil
	in := f.in
	in.Header, in.Values = r.Header.Get, r.Header.Values
	return &fetcher{f.b, r, in, nil}, in
}

// withFields returns r with ctx and with fields of its header set, or removed where the list is empty.
func withFields(ctx context.Context, r *http.Request, change http.Header) *http.Request {
	if ctx == r.Context() && len(change) == 0 {
		return r
	}
	r = r.WithContext(ctx)
	if len(change) == 0 {
		return r
	}
	r.Header = r.Header.Clone()
	for name, values := range change {
		if len(values) == 0 {
			r.Header.Del(name)
		} else {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return r
}
