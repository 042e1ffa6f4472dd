package load

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/remora"
)

// lostShown is how many losses the text of a LossError tells of.
const lostShown = 20

// A Loss is an acknowledged import that is not as it was acknowledged.
type Loss struct {
	Import Import
	Why    string
}

// A LossError tells which acknowledged imports were lost.
type LossError struct {
	Checked int    // imports that were looked for
	Lost    []Loss // by activity
}

// Error tells how many imports were lost, and of the first few why.
func (e *LossError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load: %d of %d acknowledged imports are lost", len(e.Lost), e.Checked)
	for i, l := range e.Lost {
		if i == lostShown {
			b.WriteString("; and more")
			break
		}
		fmt.Fprintf(&b, "; %s %s (activity %d): %s", l.Import.BundleID, l.Import.Number, l.Import.ActivityID, l.Why)
	}
	return b.String()
}

// How VerifyAll goes about it.
const (
	verifiers     = 4
	verifyTries   = 8
	verifyPause   = 250 * time.Millisecond
	verifyTimeout = 5 * time.Second
)

// VerifyAll looks for every import acknowledged so far at target, such as http://10.66.0.10, and
// returns a *[LossError] if one is not there: its row in the activity's list of versions, its file
// with the right SHA-256, and, for the newest of an activity, the offer of the page and of the
// update check. What is not there is looked for eight times, a quarter of a second apart, since a
// view may lag. It may be called while the load runs or after it.
func (l *Load) VerifyAll(ctx context.Context, target string) error {
	target = strings.TrimSuffix(target, "/")
	if err := checkTarget(target); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	c := newClient(false, l.dial)
	defer c.close()
	v := &verifier{load: l, client: c, target: target}
	byActivity := map[int64][]Import{}
	var order []int64
	imports := l.model.imports()
	for _, i := range imports {
		if byActivity[i.ActivityID] == nil {
			order = append(order, i.ActivityID)
		}
		byActivity[i.ActivityID] = append(byActivity[i.ActivityID], i)
	}
	var g errgroup.Group
	g.SetLimit(verifiers)
	for _, id := range order {
		g.Go(func() error { return v.activity(ctx, byActivity[id]) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("load: not everything was verified: %w", err)
	}
	if len(v.lost) > 0 {
		return &LossError{len(imports), v.lost}
	}
	return nil
}

type verifier struct {
	load   *Load
	client *client
	target string

	mu   sync.Mutex
	lost []Loss
}

// try repeats a check that fails. What is returned is the last fault; an error is that of ctx.
func (v *verifier) try(ctx context.Context, check func(ctx context.Context) error) (fault, err error) {
	timer := time.NewTimer(verifyPause)
	defer timer.Stop()
	for n := range verifyTries {
		if n > 0 {
			timer.Reset(verifyPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		once, cancel := context.WithTimeout(ctx, verifyTimeout)
		fault = check(once)
		cancel()
		if fault == nil {
			return nil, nil
		}
	}
	return fault, ctx.Err()
}

// activity verifies what was imported of one activity.
func (v *verifier) activity(ctx context.Context, imports []Import) error {
	lose := func(i Import, why error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.lost = append(v.lost, Loss{i, why.Error()})
	}
	newest := imports[0]
	for _, i := range imports[1:] {
		if remora.MustNumber(i.Number).Compare(remora.MustNumber(newest.Number)) > 0 {
			newest = i
		}
	}
	offerFault, err := v.try(ctx, func(ctx context.Context) error { return v.offers(ctx, newest) })
	if err != nil {
		return err
	}
	// The list of versions is read once for all of them, and anew while one is absent.
	absent := map[remora.Digest]bool{}
	_, err = v.try(ctx, func(ctx context.Context) error {
		clear(absent)
		for _, i := range imports {
			absent[i.SHA256] = true
		}
		return v.listed(ctx, newest.ActivityID, len(imports), absent)
	})
	if err != nil {
		return err
	}
	for _, i := range imports {
		fault, err := v.try(ctx, func(ctx context.Context) error { return v.file(ctx, i) })
		switch {
		case err != nil:
			return err
		case fault != nil:
			lose(i, fault)
		case absent[i.SHA256]:
			lose(i, errors.New("the list of versions does not have it"))
		case offerFault != nil && i == newest:
			lose(i, offerFault)
		}
	}
	return nil
}

func (v *verifier) get(ctx context.Context, path, agent string) (*answer, error) {
	req, err := newRequest(ctx, http.MethodGet, v.target+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", agent)
	a, err := v.client.do(req, false, nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("%s answers status %d: %s", path, a.status, brief(a.body))
	}
	return a, nil
}

func (v *verifier) file(ctx context.Context, i Import) error {
	path := "/activities/" + strconv.FormatInt(i.ActivityID, 10) + "/" + i.Filename
	a, err := v.get(ctx, path, agentBrowser)
	if err != nil {
		return err
	}
	if got := remora.Digest(sha256.Sum256(a.body)); got != i.SHA256 {
		return fmt.Errorf("%s has %d bytes with the sum %s, want %s", path, len(a.body), got, i.SHA256)
	}
	return nil
}

// offers checks that the page and the update check offer i, or something newer that was sent.
func (v *verifier) offers(ctx context.Context, i Import) error {
	g := v.load.model.known(i.ActivityID)
	want := v.load.model.find(g.act, i.SHA256.String())
	page, err := v.get(ctx, "/en/activity/"+strconv.FormatInt(i.ActivityID, 10), agentBrowser)
	if err != nil {
		return err
	}
	shown, err := v.load.pageShows(&g, page)
	if err != nil {
		return err
	}
	if shown < want {
		return fmt.Errorf("its page offers %s, want version %s", shownAs(shown), number(want))
	}
	document, err := v.get(ctx, "/services/update-aslo.php?id="+i.BundleID+"&appVersion="+sugarRelease, agentSugar)
	if err != nil {
		return err
	}
	if shown, err = v.load.updateOffers(&g, document); err != nil {
		return err
	}
	if shown < want {
		return fmt.Errorf("the update check offers %s, want version %s", shownAs(shown), number(want))
	}
	return nil
}

var nextLink = regexp.MustCompile(`<link rel="next" href="([^"]+)">`)

// listed takes from absent what the activity's list of versions has, page by page.
func (v *verifier) listed(ctx context.Context, id int64, count int, absent map[remora.Digest]bool) error {
	path := "/en/activity/" + strconv.FormatInt(id, 10) + "/versions"
	// A page has many; as many pages as there are versions are more than enough.
	for range count + 1 {
		a, err := v.get(ctx, path, agentBrowser)
		if err != nil {
			return err
		}
		if err := wholePage(a.header, a.body); err != nil {
			return err
		}
		for _, sum := range pageBundles(a.body) {
			if d, err := remora.ParseDigest(sum); err == nil {
				delete(absent, d)
			}
		}
		if len(absent) == 0 {
			return nil
		}
		next := nextLink.FindSubmatch(a.body)
		if next == nil {
			break
		}
		if path = strings.TrimPrefix(html.UnescapeString(string(next[1])), v.target); !strings.HasPrefix(path, "/") {
			return fmt.Errorf("the list of versions goes on at %q", path)
		}
	}
	return fmt.Errorf("the list of versions lacks %d", len(absent))
}
