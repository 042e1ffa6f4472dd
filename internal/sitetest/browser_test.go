package sitetest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sugarlabs/beamrider/internal/require"
)

// screenshotsEnv names the folder that pictures of every step are written to.
const screenshotsEnv = "BEAMRIDER_SCREENSHOTS"

// TestBrowser visits the site with a real browser, of which there is one for everything.
func TestBrowser(t *testing.T) {
	program := chromium(t)
	pictures := os.Getenv(screenshotsEnv)
	if pictures == "" {
		pictures = t.ArtifactDir()
	}
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	r := newSmall(t, "http")
	b := startBrowser(t, program)
	t.Run("Eyes", func(t *testing.T) { testEyes(t, b) })
	t.Run("Hostile", func(t *testing.T) { testHostilePages(t, b) })
	t.Run("Walk", func(t *testing.T) { testWalks(t, b, r, pictures) })
	t.Run("Axe", func(t *testing.T) { testAxe(t, b, r) })
}

// chromium returns the path of a browser.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
				return filepath.Join(dir, name)
			}
		}
	}
	require.Skip(t, "no chromium is installed")
	return ""
}

// startBrowser starts a browser that asks nobody but the servers of this machine, and ends with the
// test.
func startBrowser(t testing.TB, program string) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-default-apps", true), chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-features", "OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,InterestFeedContentSuggestions"),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-gpu", true),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator, chromedp.WithLogf(t.Logf), chromedp.WithErrorf(func(string, ...any) {
		// What the browser says that this library does not know yet.
	}))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A tab is one window of a visitor of their own: with their own cookies, screen and taste.
type tab struct {
	t      testing.TB
	ctx    context.Context
	rig    *rig
	folder string // for downloads

	mu       sync.Mutex
	foreign  []string // requests that went elsewhere
	uneasy   []string // scripts that failed, boxes that opened, what the policy had to stop
	sent     int
	finished chan string // ids of downloads
}

// A look is how a visitor sees the site.
type look struct {
	width  int64
	scheme string // light or dark
	script bool   // the browser runs scripts
	lax    bool   // and ours too, which the policy of the pages forbids
}

// stepTime bounds everything that is done in one tab.
const stepTime = 3 * time.Minute

// newTab opens a tab that is closed with the test.
func newTab(t testing.TB, b context.Context, r *rig, l look) *tab {
	t.Helper()
	v := &tab{t: t, rig: r, folder: t.TempDir(), finished: make(chan string, 1)}
	ctx, cancel := chromedp.NewContext(b, chromedp.WithNewBrowserContext(), chromedp.WithListener(v.hear))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // a tab ends with the context of its first action
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, stepTime)
	t.Cleanup(stop)
	v.ctx = ctx
	command(v, network.Enable, network.EnableParams{})
	command(v, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	command(v, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !l.script})
	command(v, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: l.lax})
	command(v, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
		DownloadPath: v.folder, EventsEnabled: new(true),
	})
	v.see(l)
	return v
}

// command sends the browser a command for the tab; that it fails is the end of the test.
func command[P, R any](v *tab, c cdp.Command[P, R], params P) R {
	v.t.Helper()
	result, err := chromedp.Call(v.ctx, c, params)
	if err != nil {
		v.t.Fatalf("%s: %v", c.Method, err)
	}
	return result
}

// see changes how the visitor sees the site, without loading it again.
func (v *tab) see(l look) {
	v.t.Helper()
	command(v, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 800, DeviceScaleFactor: 1})
	command(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func (v *tab) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.sent++
		if err != nil || u.Scheme+"://"+u.Host != v.rig.url {
			v.foreign = append(v.foreign, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		v.note("a script failed: " + e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		v.note("a box opened: " + e.Message)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity || e.Entry.Source == log.EntrySourceViolation {
			v.note(e.Entry.Text + " " + e.Entry.URL)
		}
	case *browser.EventDownloadProgress:
		if e.State == browser.DownloadProgressStateCompleted {
			select {
			case v.finished <- e.GUID:
			default: // more than was asked for; whoever waits finds the first
			}
		}
	}
}

func (v *tab) note(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.uneasy = append(v.uneasy, what)
}

// calm fails the test if anything ran, or wanted to, or did not load.
func (v *tab) calm() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, what := range v.uneasy {
		v.t.Errorf("the browser says: %s", cut(what, 300))
	}
}

// press presses keys.
func (v *tab) press(keys string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.KeyEvent(keys)); err != nil {
		v.t.Fatal(err)
	}
}

// evaluate returns the value of an expression, which may promise it.
func evaluate[T any](v *tab, expression string) T {
	v.t.Helper()
	value, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		v.t.Fatalf("%v, in %.100s", err, expression)
	}
	return value
}

// arrive does what leads to another page and waits until it is there.
func (v *tab) arrive(action chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	response, err := chromedp.RunResponse(v.ctx, action)
	switch {
	case err != nil:
		v.t.Fatal(err)
	case response == nil:
		v.t.Fatal("nothing was loaded")
	case response.Status != http.StatusOK && response.Status != http.StatusNotModified:
		v.t.Errorf("%s answers %d", response.URL, response.Status)
	}
}

// open goes to an address of the site.
func (v *tab) open(path string) {
	v.t.Helper()
	v.arrive(chromedp.Navigate(v.rig.url + path))
}

// load goes to an address, even one where a site says that there is nothing.
func (v *tab) load(address string) {
	v.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = v.rig.url + address
	}
	if err := chromedp.Do(v.ctx, chromedp.Navigate(address)); err != nil {
		v.t.Fatal(err)
	}
}

// address returns where the tab is, without the server.
func (v *tab) address() string {
	v.t.Helper()
	return strings.TrimPrefix(evaluate[string](v, "location.href"), v.rig.url)
}

// picture writes down what is seen.
func (v *tab) picture(file string) {
	v.t.Helper()
	shot := command(v, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true), OptimizeForSpeed: new(true)})
	if err := os.WriteFile(file, shot.Data, 0o644); err != nil {
		v.t.Fatal(err)
	}
}

// fits fails the test if one has to scroll sideways to see everything.
func (v *tab) fits() {
	v.t.Helper()
	wide := evaluate[struct {
		Page, Window int
		Out          []string
	}](v, `(() => {
		const width = document.documentElement.clientWidth
		const out = []
		for (const e of document.querySelectorAll('body *')) {
			const r = e.getBoundingClientRect()
			if (r.width > 1 && (r.right > width + 1 || r.left < -1) && getComputedStyle(e).position !== 'fixed') out.push(e.tagName + '.' + (e.getAttribute('class') || ''))
		}
		return {Page: document.documentElement.scrollWidth, Window: width, Out: out.slice(0, 5)}
	})()`)
	if wide.Page > wide.Window {
		v.t.Errorf("%s is %d wide in a window of %d; beyond it are %v", v.address(), wide.Page, wide.Window, wide.Out)
	}
}

// stayed fails the test if the browser asked anybody but the server.
func (v *tab) stayed() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	slices.Sort(v.foreign)
	for _, address := range slices.Compact(v.foreign) {
		v.t.Errorf("the browser asked %s", address)
	}
	if v.sent == 0 {
		v.t.Error("the browser asked nobody")
	}
}

// downloaded waits for a download and returns its bytes.
func (v *tab) downloaded() []byte {
	v.t.Helper()
	select {
	case id := <-v.finished:
		body, err := os.ReadFile(filepath.Join(v.folder, id))
		if err != nil {
			v.t.Fatal(err)
		}
		return body
	case <-v.ctx.Done():
		v.t.Fatal(fmt.Errorf("nothing arrives: %w", v.ctx.Err()))
	}
	return nil
}
