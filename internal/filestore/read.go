package filestore

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/filehttp"
	"github.com/sugarlabs/beamrider/remora"
)

// When there is somebody else to ask, a place where everything is has this long to open a file, and is
// asked last for a while when it failed to answer: each request would wait anew. A large file over a slow
// network takes longer to compare with its sum.
const (
	openPatience   = 5 * time.Second
	verifyPatience = time.Minute
	avoidFor       = 10 * time.Second
)

// reading is what [Files] knows for opening files.
type reading struct {
	remote    *filehttp.Remote // nil: none
	log       *slog.Logger
	avoid     atomic.Pointer[time.Time] // until then the main place is asked last, whatever is done to the clock; nil: it is not
	verifiers sync.Map                  // of a *nfsstore.Store its *filehttp.Verifier: one that hangs holds up itself alone
}

// ReadAlso names the mirrors, by the addresses of their [Files.Handler], that are asked for files which
// no place of ours can give, in this order, and who is told of such files. It must not
// be called when files are read already.
func (f *Files) ReadAlso(log *slog.Logger, urls ...string) (err error) {
	f.reading.log = log
	if len(urls) == 0 {
		return nil
	}
	if f.reading.remote, err = filehttp.NewRemote(nil, urls...); err != nil {
		return &remora.Error{Kind: remora.KindInvalid, Code: "files.mirrors", Message: "The addresses of mirrors cannot be used.", Err: err}
	}
	return nil
}

// close gives up connections to mirrors.
func (r *reading) close() error {
	if r.remote == nil {
		return nil
	}
	return r.remote.Close()
}

// A source is one of the places where a file may be.
type source struct {
	name  string
	store *nfsstore.Store // nil: the mirrors
	main  bool            // it decides what there is
}

// sources returns where to look for a file, in order: the copy on this machine, where everything is, where
// everything is once more, and, unless it is another machine that asks, the mirrors.
func (f *Files) sources(name string, mirrors bool) []source {
	h := f.homes.Load()
	var list, more []source
	if f.copy != nil && (f.copy == h.second || !strings.HasPrefix(name, "uploads/")) {
		list = append(list, source{name: "the copy", store: f.copy})
	}
	if h.second != nil && h.second != f.copy {
		more = append(more, source{name: "the second place", store: h.second})
	}
	if mirrors && f.reading.remote != nil {
		more = append(more, source{name: "the mirrors"})
	}
	main := source{"the files folder", h.main, true}
	if until := f.reading.avoid.Load(); until != nil && time.Now().Before(*until) {
		return append(append(list, more...), main)
	}
	return append(append(list, main), more...)
}

// Open implements [remora.Files]. It prefers the copy, which is on this machine. What is not there yet,
// or not to be found in it, is where everything is; that there is no such file, it alone decides. While
// it does not answer, mirrors are asked.
//
// A mirror may have a file still that was withdrawn. That is for the callers to rule out: they ask for
// what the catalog offers.
func (f *Files) Open(ctx context.Context, name string) (fs.File, error) {
	return f.openFrom(ctx, f.sources(name, true), name, -1, nil)
}

// OpenSum is Open for a file that must have that SHA-256. It gives no file that is damaged: the next
// place is asked. size is what the catalog knows of it: then the file must exist, and one that is absent
// everywhere else is looked for in mirrors too. -1: anybody may have made up the name.
func (f *Files) OpenSum(ctx context.Context, name string, size int64, sum []byte) (fs.File, error) {
	return f.openFrom(ctx, f.sources(name, true), name, size, sum)
}

// OpenHere is OpenSum without mirrors, for the mirrors of others: they would ask in circles. Without a
// sum it is Open without mirrors.
func (f *Files) OpenHere(ctx context.Context, name string, sum []byte) (fs.File, error) {
	return f.openFrom(ctx, f.sources(name, false), name, -1, sum)
}

// openFrom opens a file at the first source that has it as it should be.
func (f *Files) openFrom(ctx context.Context, sources []source, name string, size int64, sum []byte) (fs.File, error) {
	var failed []error
	for i, s := range sources {
		file, err := f.openAt(ctx, s, name, sum, len(sources) > 1)
		if err == nil {
			return file, nil
		}
		if ctx.Err() != nil {
			return nil, kindOfFile(err, name)
		}
		if s.main && (errors.Is(err, nfsstore.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)) {
			until := time.Now().Add(avoidFor)
			f.reading.avoid.Store(&until)
		}
		absent := errors.Is(err, fs.ErrNotExist) && !errors.Is(err, nfsstore.ErrUnavailable)
		switch more := i < len(sources)-1; {
		case errors.Is(err, nfsstore.ErrName), absent && s.main && size < 0:
			return nil, kindOfFile(err, name)
		case errors.Is(err, nfsstore.ErrCorrupt): // which is told already
		case absent && s.main && more:
			f.report("a file is missing; another place is asked", s, name, err)
		case !absent && more:
			f.report("a file cannot be read; another place is asked", s, name, err)
		}
		failed = append(failed, err)
	}
	// What was worst says what to do: a file that is absent in one place and damaged in another is not
	// one that does not exist.
	worst := failed[0]
	for _, err := range failed[1:] {
		if errors.Is(worst, fs.ErrNotExist) {
			worst = err
		}
	}
	if errors.Is(worst, nfsstore.ErrCorrupt) {
		return nil, &remora.Error{Kind: remora.KindCorrupt, Op: "files", Message: "The file " + name + " is damaged. Restore it from a backup.", Err: worst}
	}
	return nil, kindOfFile(worst, name)
}

func (f *Files) report(what string, s source, name string, err error) {
	if f.reading.log != nil {
		f.reading.log.Error(what, "file", name, "place", s.name, "error", err)
	}
}

// openAt opens a file at one source. others says that there are more.
func (f *Files) openAt(ctx context.Context, s source, name string, sum []byte, others bool) (file fs.File, err error) {
	switch {
	case s.store == nil:
		file, err = f.reading.remote.OpenSum(ctx, name, sum)
	case others:
		opening, cancel := context.WithTimeout(ctx, openPatience)
		file, err = s.store.Open(opening, name)
		cancel()
	default:
		file, err = s.store.Open(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	if others {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, verifyPatience)
		defer cancel()
	}
	if err := f.check(ctx, s, name, file, sum); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// check looks whether an open file is what it should be. That of a mirror is not read twice over the
// network; it fails before its end.
func (f *Files) check(ctx context.Context, s source, name string, file fs.File, sum []byte) error {
	if sum == nil || s.store == nil {
		return nil
	}
	v, found := f.reading.verifiers.Load(s.store)
	if !found {
		fresh, err := filehttp.NewVerifier(&filehttp.VerifierOptions{Damaged: func(name string, err error) {
			f.report("a file is damaged and not used; restore it from another place", s, name, err)
		}})
		if err != nil {
			return err
		}
		v, _ = f.reading.verifiers.LoadOrStore(s.store, fresh)
	}
	err := v.(*filehttp.Verifier).Verify(ctx, name, file, sum)
	if errors.Is(err, nfsstore.ErrCorrupt) {
		f.tell(s, name, sum)
	}
	return err
}
