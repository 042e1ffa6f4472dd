package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// A Track tells keepalived whether this machine may hold the shared address.
type Track struct {
	// Path is the file, absolute, in a folder that only this account may write to, best on a tmpfs
	// such as /run. The monitor writes "0" or "1" into it, by way of a file with ".new" behind its
	// name.
	Path string
	// Local asks the balancer of this machine; an error means that it must not get the address. It
	// must return soon after ctx ends.
	Local func(ctx context.Context) error
	// Every is the time between two questions and looks at the file. 0 means 150 ms; 20 ms to 1 minute.
	Every time.Duration
	// Timeout bounds one question. 0 means 300 ms; 10 ms to 1 minute.
	Timeout time.Duration
	// Fall and Rise are how many failures, or answers, in a row change the file. 0 means 2; 1 to 100.
	Fall, Rise int
}

// trackName is the name of the result about the track file.
const trackName = "shared address"

// What the file says.
const (
	trackHealthy = "0"
	trackFault   = "1"
)

// A tracker keeps a track file.
type tracker struct {
	t     Track
	probe *probe
	log   *slog.Logger

	file sync.Mutex // held while the file is looked at or written, so that mu never waits for a disk

	mu      sync.Mutex
	running bool
	left    bool // Leave was called
	healthy bool
	since   time.Time // of healthy; zero: before the first run
	checked time.Time
	streak  int
	why     string // the last failure of Local
	broken  error  // the file cannot be written
}

// newTracker returns a tracker, and what is wrong with t.
func newTracker(t Track, log *slog.Logger) (*tracker, []error) {
	if t.Every == 0 {
		t.Every = 150 * time.Millisecond
	}
	if t.Timeout == 0 {
		t.Timeout = 300 * time.Millisecond
	}
	if t.Fall == 0 {
		t.Fall = 2
	}
	if t.Rise == 0 {
		t.Rise = 2
	}
	var errs []error
	if !filepath.IsAbs(t.Path) || filepath.Clean(t.Path) != t.Path || clean(t.Path) != t.Path {
		errs = append(errs, fmt.Errorf("the track file %q must have an absolute path, as keepalived gets the same one", clean(t.Path)))
	}
	if t.Local == nil {
		errs = append(errs, errors.New("the track file needs a question to the local balancer"))
	}
	if t.Every < 20*time.Millisecond || t.Every > time.Minute {
		errs = append(errs, fmt.Errorf("the local balancer is asked every %v; 20ms to 1m is possible", t.Every))
	}
	if t.Timeout < 10*time.Millisecond || t.Timeout > time.Minute {
		errs = append(errs, fmt.Errorf("a question to the local balancer has the time-out %v; 10ms to 1m is possible", t.Timeout))
	}
	if min(t.Fall, t.Rise) < 1 || max(t.Fall, t.Rise) > maxStreak {
		errs = append(errs, fmt.Errorf("the track file falls after %d failures and rises after %d answers; 1 to %d is possible", t.Fall, t.Rise, maxStreak))
	}
	k := &tracker{t: t, log: log}
	k.probe = newProbe(Check{Name: trackName, Timeout: t.Timeout, Run: func(ctx context.Context) Finding {
		if err := t.Local(ctx); err != nil {
			return Finding{Level: Bad, Summary: reason(err)}
		}
		return Finding{Level: OK}
	}}, log)
	return k, errs
}

// run keeps the file until ctx ends; false: the last question has not returned when gone was closed.
func (k *tracker) run(ctx context.Context, gone <-chan struct{}) bool {
	k.file.Lock()
	text, err := readTrack(k.t.Path)
	k.file.Unlock()
	k.mu.Lock()
	k.running, k.left, k.streak = true, false, 0
	k.healthy = err == nil && text == trackHealthy
	k.since, k.why = time.Now(), "it has not proved itself yet"
	k.mu.Unlock()

	for {
		start := time.Now()
		k.write()
		if f, valid := k.probe.ask(ctx); valid {
			k.record(f)
			k.write()
		}
		if !pause(ctx, k.t.Every-time.Since(start)) {
			break
		}
	}
	k.mu.Lock()
	k.running = false
	k.mu.Unlock()
	k.write()
	return k.probe.join(gone)
}

// record counts an answer of the balancer, or its absence.
func (k *tracker) record(f Finding) {
	f = f.cleaned()
	k.mu.Lock()
	k.checked = time.Now()
	ok, need := f.Level == OK, k.t.Fall
	if ok {
		need = k.t.Rise
	} else {
		k.why = f.Summary
	}
	if ok == k.healthy {
		k.streak = 0
	} else {
		k.streak++
	}
	turned := k.streak >= need
	if turned {
		k.healthy, k.streak, k.since = ok, 0, k.checked
	}
	now := k.balancer()
	k.mu.Unlock()
	if turned && ok {
		logChange(k.log, trackName, Bad, now)
	} else if turned {
		logChange(k.log, trackName, OK, now)
	}
}

// balancer says how the balancer is and what follows. k.mu is held.
func (k *tracker) balancer() Finding {
	if k.healthy {
		return Finding{Level: OK, Summary: "The local balancer answers, so this machine may hold the shared address."}
	}
	return Finding{
		Level: Bad, Summary: "This machine gives the shared address away, because of its balancer: " + k.why,
		Next: "See why on this machine: journalctl -u remora-server",
	}.cleaned()
}

// leave writes "1" until the next run.
func (k *tracker) leave() error {
	k.mu.Lock()
	turned := !k.left
	k.left = true
	k.mu.Unlock()
	if turned {
		k.log.Info("the shared address is given away before the stop", "file", k.t.Path)
	}
	return k.write()
}

// write makes the file say what is so, unless it says it already. It logs the first of several
// failures, and the end of them, and keeps the last for result, so that only who needs it at once
// looks at the error.
func (k *tracker) write() error {
	k.file.Lock()
	defer k.file.Unlock()
	k.mu.Lock()
	want := trackFault
	if k.healthy && k.running && !k.left {
		want = trackHealthy
	}
	k.mu.Unlock()
	var err error
	if text, lookErr := readTrack(k.t.Path); lookErr != nil || text != want {
		err = writeTrack(k.t.Path, want)
	}
	if err != nil {
		err = &remora.Error{
			Kind: remora.KindUnavailable, Op: "monitor.track", Code: "monitor.track",
			Message: fmt.Sprintf("The track file %s cannot be written, so keepalived goes on with what it read last.", k.t.Path), Err: err,
		}
	}
	k.mu.Lock()
	before := k.broken
	k.broken = err
	k.mu.Unlock()
	switch {
	case err != nil && before == nil:
		k.log.Error("the track file cannot be written", "file", k.t.Path, "err", err)
	case err == nil && before != nil:
		k.log.Info("the track file can be written again", "file", k.t.Path)
	}
	return err
}

// result says how the file stands.
func (k *tracker) result() Result {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := Result{Name: trackName, Since: k.since, Checked: k.checked}
	switch {
	case k.broken != nil:
		r.Finding = Finding{
			Level: Bad, Summary: reason(k.broken), Next: "Make the folder " + filepath.Dir(k.t.Path) + " writable for the account of remora-server.",
			Detail: []Pair{{"error", errors.Unwrap(k.broken).Error()}},
		}
	case k.left:
		r.Finding = Finding{Level: Warn, Summary: "This machine has given the shared address away, because it is being stopped."}
	case !k.running:
		r.Finding = Finding{Level: Unknown, Summary: "The track file is not being kept.", Next: "Start the role monitor on this machine: systemctl start remora-server"}
	default:
		r.Finding = k.balancer()
	}
	r.Detail = append(r.Detail, Pair{"file", k.t.Path})
	r.Finding = r.cleaned()
	return r
}

// readTrack returns what the file says.
func readTrack(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("it is not a file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, 16))
	return strings.TrimSpace(string(text)), errors.Join(err, f.Close())
}

// writeTrack replaces the file. It does not wait for the disk: that may take seconds on the very
// machine that should give the address away, and after a power cut the file is written anew anyway.
func writeTrack(path, text string) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // what a killed monitor left
		return err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return nil
}
