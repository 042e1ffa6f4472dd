package nfsstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/nfsstore/internal/pace"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// An Expected says what a file has to hold.
type Expected struct {
	Name   string
	Size   int64  // bytes; below 0: unknown
	SHA256 []byte // of the content, 32 bytes; nil: unknown
}

// ScrubOptions change what [Store.Scrub] does. The zero value and nil are good.
type ScrubOptions struct {
	// Expected yields the files that have to be there; an error ends the scrub. nil: all files that
	// are there, of which those with their SHA-256 in their names can be checked: …/sha256/ab/ and 64
	// hexadecimal digits that begin with ab. Of the others it only shows whether they can be read.
	Expected iter.Seq2[Expected, error]
	// Bandwidth bounds how many bytes a second are read, of all files together; 0: any number.
	Bandwidth int64
	// Concurrency bounds how many files are read at a time; 0: 2.
	Concurrency int
	// Found is told of each problem, never of two at a time. Its error ends the scrub.
	Found func(Problem) error
	// Progress is called after each file, never twice at a time. It must not block.
	Progress func(ScrubStats)
}

// ScrubStats count what a scrub has done since it began.
type ScrubStats struct {
	Files    int64 // looked at, those that are missing included
	Bytes    int64 // read
	Problems int64
	Unknown  int64 // files that were read and whose right content nobody knows
}

// A ProblemKind says what is wrong with a file.
type ProblemKind int

// The kinds of problems.
const (
	ProblemMissing    ProblemKind = iota + 1 // an expected file is not there, or something else in its place
	ProblemDamaged                           // it has another length or other bytes than it should
	ProblemUnreadable                        // the disk or its permissions do not let it be read
)

// String returns missing, damaged or unreadable.
func (k ProblemKind) String() string {
	switch k {
	case ProblemMissing:
		return "missing"
	case ProblemDamaged:
		return "damaged"
	case ProblemUnreadable:
		return "unreadable"
	}
	return fmt.Sprintf("ProblemKind(%d)", int(k))
}

// A Problem is what a scrub found wrong.
type Problem struct {
	Name              string // of a file; or of a folder that is unreadable
	Kind              ProblemKind
	Want, Got         []byte // SHA-256; nil: unknown, or not looked at because the length is wrong
	WantSize, GotSize int64  // bytes; below 0: unknown
	Err               error  // of what is unreadable or was never there; else nil
}

// String says it in a sentence without a full stop.
func (p Problem) String() string {
	s := p.Name + " is " + p.Kind.String()
	switch {
	case p.Kind == ProblemDamaged && p.WantSize >= 0 && p.GotSize != p.WantSize:
		s += fmt.Sprintf(": it has %d bytes where it should have %d", p.GotSize, p.WantSize)
	case p.Kind == ProblemDamaged:
		s += fmt.Sprintf(": its %d bytes have the SHA-256 %x and should have %x", p.GotSize, p.Got, p.Want)
	case p.Err != nil:
		s += ": " + p.Err.Error()
	}
	return s
}

const (
	scrubFiles = 2 // read at a time
	// scrubStall is how long one step may take before the store counts as unavailable.
	scrubStall = 30 * time.Second
)

// Scrub reads files to their ends and compares them with what they should hold. What is wrong goes to
// Found and the scrub goes on; its own error is nil however much was found. A file that is removed
// while it is looked at is no problem. Damage is looked at twice before it is reported.
//
// When the disk or the server does not answer any more, the error matches [ErrUnavailable]: then it is
// not known what is wrong with the rest. Scrub returns when all it started has ended.
func (s *Store) Scrub(ctx context.Context, o *ScrubOptions) (ScrubStats, error) {
	if o == nil {
		o = new(ScrubOptions)
	}
	var errs []error
	if o.Bandwidth < 0 {
		errs = append(errs, &failure{op: "scrub", kind: fs.ErrInvalid, sentence: fmt.Sprintf("the bandwidth of %d bytes a second is below 0", o.Bandwidth)})
	}
	if o.Concurrency < 0 {
		errs = append(errs, &failure{op: "scrub", kind: fs.ErrInvalid, sentence: fmt.Sprintf("the concurrency of %d is below 0", o.Concurrency)})
	}
	if err := errors.Join(errs...); err != nil {
		return ScrubStats{}, err
	}
	c := &scrub{s: s, o: o, pace: pace.New(o.Bandwidth)}
	workers := o.Concurrency
	if workers == 0 {
		workers = scrubFiles
	}
	work := make(chan scrubJob)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		return c.feed(ctx, work)
	})
	for range workers {
		g.Go(func() error {
			buf := make([]byte, bufferSize)
			for job := range work {
				if err := c.check(ctx, job, buf); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	c.stats.Bytes = c.bytes.Load()
	return c.stats, err
}

// A scrub is one run.
type scrub struct {
	s    *Store
	o    *ScrubOptions
	pace *pace.Pace

	bytes atomic.Int64 // read

	mu    sync.Mutex // also held while Found and Progress run
	stats ScrubStats
}

// A scrubJob is a file to be looked at.
type scrubJob struct {
	Expected
	seen bool // it was there: when it is not, it was removed meanwhile
}

// feed says what is to be looked at.
func (c *scrub) feed(ctx context.Context, work chan<- scrubJob) error {
	send := func(job scrubJob) error {
		select {
		case work <- job:
			return nil
		case <-ctx.Done():
			return c.s.fail("scrub", job.Name, reading, ctx.Err())
		}
	}
	if c.o.Expected != nil {
		for e, err := range c.o.Expected {
			switch {
			case err != nil:
				return &failure{op: "scrub", name: e.Name, err: err, sentence: "the list of what is expected could not be read to its end"}
			case e.SHA256 != nil && len(e.SHA256) != sha256.Size:
				return &failure{op: "scrub", name: e.Name, kind: fs.ErrInvalid, sentence: fmt.Sprintf("the expected SHA-256 has %d bytes, not %d", len(e.SHA256), sha256.Size)}
			}
			if err := send(scrubJob{Expected: e}); err != nil {
				return err
			}
		}
		return nil
	}
	var last error // of what ended the walk, with its sentence
	w := walk{
		s: c.s,
		file: func(i Info) error {
			last = send(scrubJob{Expected{i.Name, -1, addressOf(i.Name)}, true})
			return last
		},
		trouble: func(name string, err error) error {
			if last = c.away(ctx, name, err); last == nil {
				last = c.tell(verdictBad, Problem{Name: name, Kind: ProblemUnreadable, WantSize: -1, GotSize: -1, Err: c.s.fail("scrub", name, reading, err)})
			}
			return last
		},
	}
	err := w.dir(ctx, ".", 0)
	if err == nil || err == last {
		return err
	}
	return c.s.fail("scrub", ".", reading, err)
}

// addressOf returns the SHA-256 that is part of a name, or nil.
func addressOf(name string) []byte {
	elems := strings.Split(name, "/")
	if len(elems) < 3 {
		return nil
	}
	elems = elems[len(elems)-3:]
	digits := elems[2]
	if elems[0] != "sha256" || len(digits) != 2*sha256.Size || digits[:2] != elems[1] || strings.ToLower(digits) != digits {
		return nil
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return nil
	}
	return sum
}

// A verdict is what a look at a file has shown.
type verdict int

const (
	verdictGood    verdict = iota
	verdictUnknown         // it can be read; nobody knows what it should hold
	verdictGone            // it was removed meanwhile
	verdictBad
)

// check looks at one file. Its error ends the scrub.
func (c *scrub) check(ctx context.Context, job scrubJob, buf []byte) error {
	v, p, err := c.look(ctx, &job, buf)
	if err == nil && v == verdictBad {
		// A second look tells damage from what only came damaged over the network, and from a file
		// that was replaced while it was read.
		v, p, err = c.look(ctx, &job, buf)
	}
	if err != nil {
		return err
	}
	return c.tell(v, p)
}

// look reads a file, and sets seen when it was there. Its error ends the scrub.
func (c *scrub) look(ctx context.Context, job *scrubJob, buf []byte) (verdict, Problem, error) {
	p := Problem{Name: job.Name, Want: job.SHA256, WantSize: job.Size, GotSize: -1}
	if err := CheckName(job.Name); err != nil {
		p.Kind, p.Err = ProblemMissing, err
		return verdictBad, p, nil
	}
	refuse := func(err error) (verdict, Problem, error) {
		switch absent := vol.Absent(err); {
		case absent && job.seen:
			return verdictGone, p, nil
		case absent:
			p.Kind, p.Err = ProblemMissing, c.s.fail("scrub", job.Name, reading, err)
			return verdictBad, p, nil
		}
		if err := c.away(ctx, job.Name, err); err != nil {
			return verdictBad, p, err
		}
		p.Kind, p.Err = ProblemUnreadable, c.s.fail("scrub", job.Name, reading, err)
		return verdictBad, p, nil
	}
	f, info, err := c.s.openFor(ctx, job.Name, scrubStall)
	if err != nil {
		return refuse(err)
	}
	job.seen = true
	if p.WantSize >= 0 && info.Size() != p.WantSize {
		p.Kind, p.GotSize = ProblemDamaged, info.Size()
		if err := c.s.closeFile(ctx, f); err != nil {
			return refuse(err)
		}
		return verdictBad, p, nil
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, &stallReader{ctx: ctx, s: c.s, f: f, pace: c.pace}, buf)
	c.bytes.Add(n)
	cut := errors.Is(err, io.ErrUnexpectedEOF) || err == nil && n < info.Size()
	if cut {
		err = nil
	}
	cerr := c.s.closeFile(ctx, f)
	if err = cmp.Or(err, cerr); err != nil {
		return refuse(err)
	}
	p.GotSize = n
	if cut { // the server still has its old length in mind
		p.Kind, p.WantSize = ProblemDamaged, info.Size()
		return verdictBad, p, nil
	}
	p.Got = h.Sum(nil)
	switch {
	case p.WantSize >= 0 && n != p.WantSize, p.Want != nil && !bytes.Equal(p.Got, p.Want):
		p.Kind = ProblemDamaged
		return verdictBad, p, nil
	case p.Want == nil:
		return verdictUnknown, p, nil
	}
	return verdictGood, p, nil
}

// tell counts what has come of a file, and reports it.
func (c *scrub) tell(v verdict, p Problem) error {
	if v == verdictGone {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Files++
	c.stats.Bytes = c.bytes.Load()
	switch v {
	case verdictUnknown:
		c.stats.Unknown++
	case verdictBad:
		c.stats.Problems++
		if c.o.Found != nil {
			if err := c.o.Found(p); err != nil {
				return err
			}
		}
	}
	if c.o.Progress != nil {
		c.o.Progress(c.stats)
	}
	return nil
}

// away tells the fault of one file, for which it returns nil, from one of all.
func (c *scrub) away(ctx context.Context, name string, err error) error {
	if err := c.s.ofAll(ctx, err); err != nil {
		return c.s.fail("scrub", name, reading, err)
	}
	return nil
}
