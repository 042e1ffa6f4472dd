package filehttp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// What a [Remote] does unless its options say otherwise.
const (
	defaultTimeout = 10 * time.Second
	dialTimeout    = 2 * time.Second
	maxConnections = 256 // to one machine
	keepIdle       = 30 * time.Second
)

// avoidFor is how long a machine that did not answer is asked last.
const avoidFor = 10 * time.Second

// RemoteOptions change what a [Remote] does. The zero value and nil are good.
type RemoteOptions struct {
	// Client sends the requests; it should neither follow redirects nor compress. nil: one of its own,
	// without a proxy, with at most 256 connections to each machine.
	Client *http.Client
	// Timeout bounds the wait for an answer, and for each further piece of one; 0: 10 seconds.
	Timeout time.Duration
}

// A Remote reads the files that [Handler]s on other machines serve: mirrors of one store. Its methods
// may be called concurrently.
type Remote struct {
	mirrors []*mirror
	client  *http.Client
	own     *http.Transport // nil: the caller's client
	timeout time.Duration
}

type mirror struct {
	base  *url.URL                  // ends in a slash
	avoid atomic.Pointer[time.Time] // until then others are asked first, whatever is done to the clock; nil: they are not
}

// NewRemote returns a Remote for the handlers at urls, such as "http://10.0.0.13:8081/internal/files/",
// which are asked in this order. It asks nobody yet. The error matches [fs.ErrInvalid] and tells
// every mistake.
func NewRemote(o *RemoteOptions, urls ...string) (*Remote, error) {
	if o == nil {
		o = new(RemoteOptions)
	}
	var errs []error
	r := &Remote{client: o.Client, timeout: o.Timeout}
	switch {
	case o.Timeout < 0:
		errs = append(errs, fmt.Errorf("filehttp: RemoteOptions.Timeout of %v is below 0: %w", o.Timeout, fs.ErrInvalid))
	case o.Timeout == 0:
		r.timeout = defaultTimeout
	}
	if len(urls) == 0 {
		errs = append(errs, fmt.Errorf("filehttp: NewRemote needs the address of a mirror: %w", fs.ErrInvalid))
	}
	for i, raw := range urls {
		u, err := url.Parse(raw)
		shown := fmt.Sprintf("number %d", i+1) // what cannot be read may hold a password anywhere
		if err == nil {
			shown = strconv.Quote(u.Redacted())
		}
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			errs = append(errs, fmt.Errorf("filehttp: the address %s of a mirror must be http:// or https://, a host and a path, without a user: %w", shown, fs.ErrInvalid))
			continue
		}
		if !strings.HasSuffix(u.Path, "/") {
			u.Path += "/"
		}
		r.mirrors = append(r.mirrors, &mirror{base: u})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if r.client == nil {
		r.own = &http.Transport{
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxConnsPerHost:       maxConnections,
			IdleConnTimeout:       keepIdle,
			ResponseHeaderTimeout: r.timeout,
			DisableCompression:    true,
		}
		r.client = &http.Client{Transport: r.own, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return r, nil
}

// Close gives up connections that are not in use. Open files go on.
func (r *Remote) Close() error {
	if r.own != nil {
		r.own.CloseIdleConnections()
	}
	return nil
}

// Open opens a file; it is also an [io.ReaderAt] and an [io.Seeker], which reads one piece at a time.
// The context bounds the opening only.
//
// Reads never mix two files: one that has another tag than at the opening is an error that matches
// [nfsstore.ErrChanged]. When a machine fails, the rest comes from another that has the same file. Who reads all
// of a file whose SHA-256 is known, by its name or its tag, in order, does not get its last piece when
// it is damaged, but an error that matches [nfsstore.ErrCorrupt].
//
// The error of Open matches [fs.ErrNotExist] when all mirrors say so, [nfsstore.ErrName], or
// [nfsstore.ErrUnavailable].
func (r *Remote) Open(ctx context.Context, name string) (fs.File, error) {
	return r.OpenSum(ctx, name, NamedSum(name))
}

// OpenSum is Open for a file that must have that SHA-256; nil: it is not known. A mirror whose tag says
// that it has another one is passed over.
func (r *Remote) OpenSum(ctx context.Context, name string, sum []byte) (fs.File, error) {
	if err := nfsstore.CheckName(name); err != nil {
		return nil, err
	}
	if sum != nil && len(sum) != sha256.Size {
		return nil, fmt.Errorf("filehttp: read %s: a SHA-256 of %d bytes: %w", name, len(sum), fs.ErrInvalid)
	}
	var errs []error
	absent := 0
	for _, m := range r.order() {
		f, err := r.openAt(ctx, m, name, sum)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			absent++
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	if absent == len(r.mirrors) {
		return nil, errs[0]
	}
	return nil, &unavailable{errs}
}

// unavailable is that no mirror could give a file. It matches that alone: some may have said that there
// is none.
type unavailable struct{ errs []error }

func (u *unavailable) Error() string        { return errors.Join(u.errs...).Error() }
func (u *unavailable) Is(target error) bool { return target == nfsstore.ErrUnavailable }

// order returns the mirrors, those last that did not answer lately.
func (r *Remote) order() []*mirror {
	now := time.Now()
	list := make([]*mirror, 0, len(r.mirrors))
	for _, late := range []bool{false, true} {
		for _, m := range r.mirrors {
			if until := m.avoid.Load(); (until != nil && now.Before(*until)) == late {
				list = append(list, m)
			}
		}
	}
	return list
}

// openAt asks a mirror about a file.
func (r *Remote) openAt(ctx context.Context, m *mirror, name string, sum []byte) (*remoteFile, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	resp, err := r.ask(ctx, m, http.MethodHead, name, nil)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, m.fault(name, err)
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 {
		return nil, m.refusal(name, resp)
	}
	f := &remoteFile{r: r, name: name, size: resp.ContentLength, from: m, sum: sum}
	f.ctx, f.end = context.WithCancel(context.WithoutCancel(ctx))
	f.made, _ = http.ParseTime(resp.Header.Get("Last-Modified")) // without a date there is none to show
	if err := f.know(resp); err != nil {
		f.end()
		return nil, err
	}
	return f, nil
}

// ask sends a request for a file.
func (r *Remote) ask(ctx context.Context, m *mirror, method, name string, header http.Header) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, m.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, m.fault(name, err)
	}
	if header != nil {
		q.Header = header
	}
	resp, err := r.client.Do(q)
	if err != nil {
		if !errors.Is(context.Cause(ctx), context.Canceled) { // it was not the caller who gave up
			until := time.Now().Add(avoidFor)
			m.avoid.Store(&until)
		}
		return nil, m.fault(name, err)
	}
	return resp, nil
}

// fault is that a mirror did not answer.
func (m *mirror) fault(name string, err error) error {
	return fmt.Errorf("filehttp: read %s from %s: %w: %w", name, m.base.Host, nfsstore.ErrUnavailable, err)
}

// refusal is that a mirror answered without the file.
func (m *mirror) refusal(name string, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("filehttp: read %s from %s: %w", name, m.base.Host, fs.ErrNotExist)
	case http.StatusForbidden:
		return fmt.Errorf("filehttp: read %s from %s: that machine does not answer this one; it must be told that this one is of its own: %w", name, m.base.Host, nfsstore.ErrUnavailable)
	}
	return fmt.Errorf("filehttp: read %s from %s: its answer was %q: %w", name, m.base.Host, resp.Status, nfsstore.ErrUnavailable)
}
