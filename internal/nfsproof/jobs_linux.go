package nfsproof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// clientModules are what the kernel of a guest needs to mount.
var clientModules = []string{"nfsv3"}

// A JobResult is a line that the worker prints about a job on a mount.
type JobResult struct {
	Job   string        `json:"job"`
	Error string        `json:"error,omitempty"` // "": it went well
	Took  time.Duration `json:"took"`
}

// MiddleOfRestart is a line of the worker that asks for the server to be restarted while it goes on.
const MiddleOfRestart = "middle of the restart"

// JobCount is how many jobs there are.
const JobCount = 8

// ManyFolder is where [Service.Fill] makes names.
const ManyFolder = "many"

// ManyName is one of many names in a folder.
func ManyName(n int) string { return fmt.Sprintf("name%06d", n) }

// Fill makes most of the names that the job with many needs, on the server's own disk: through a mount it
// would take the longer part of a minute. The client makes the others.
func (s *Service) Fill(ctx context.Context, names int) error {
	_, err := s.Guest.Shell(ctx, fmt.Sprintf(`mkdir -p %[1]s/%[2]s; cd %[1]s/%[2]s
seq -f 'name%%06.0f' 0 %[3]d | xargs touch; sync`, exported, ManyFolder, names-names/20-1))
	return err
}

// Client boots a guest and mounts what guest 0 exports, at /mnt/n.
func (s *Service) Client(ctx context.Context, number int, options string) (*guest.Guest, error) {
	g, err := s.bench.Lab.Boot(ctx, guest.Machine{Number: number, Modules: clientModules})
	if err != nil {
		return nil, err
	}
	if _, err := g.Shell(ctx, s.mount(options)); err != nil {
		return nil, errors.Join(fmt.Errorf("mounting: %w", err), g.Kill())
	}
	return g, nil
}

// Jobs has a kernel client do what programs do to files, and restarts the server in the middle. It
// returns how each job went.
func (s *Service) Jobs(ctx context.Context, client *guest.Guest, names int) ([]JobResult, error) {
	if err := s.Fill(ctx, names); err != nil {
		return nil, err
	}
	cmd := client.Command(ctx, s.bench.Worker, "jobs", "-dir", "/mnt/n", "-names", fmt.Sprint(names))
	var results []JobResult
	var errs bytes.Buffer
	lines := &lineWriter{each: func(line []byte) error {
		var r JobResult
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if r.Job == MiddleOfRestart {
			return s.Restart()
		}
		results = append(results, r)
		return nil
	}}
	cmd.Stdout, cmd.Stderr = lines, &errs
	if err := cmd.Run(); err != nil {
		return results, fmt.Errorf("%w\n%s", err, errs.String())
	}
	return results, nil
}

// Posix runs the test program of package posixjudge on the mount of a guest, and returns the verdict of
// each test.
func Posix(ctx context.Context, client *guest.Guest, program string) (map[string]string, error) {
	var errs bytes.Buffer
	verdicts := make(map[string]string)
	cmd := client.Command(ctx, program, "-test.run", "TestPosix")
	cmd.Env = []string{"BEAMRIDER_POSIX_DIR=/mnt/n"}
	cmd.Dir = "/mnt/tmp"
	cmd.Stderr = &errs
	cmd.Stdout = &lineWriter{each: func(line []byte) error {
		var v struct{ Posix, Result string }
		if !bytes.HasPrefix(line, []byte("{")) {
			return nil
		}
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		verdicts[v.Posix] = v.Result
		return nil
	}}
	// It ends badly when one of the tests has failed.
	if err := cmd.Run(); err != nil && len(verdicts) == 0 {
		return nil, fmt.Errorf("%w\n%s", err, errs.String())
	}
	return verdicts, nil
}

// A lineWriter calls each with whole lines.
type lineWriter struct {
	each    func([]byte) error
	partial []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.partial = append(l.partial, p...)
	for {
		i := bytes.IndexByte(l.partial, '\n')
		if i < 0 {
			return len(p), nil
		}
		if err := l.each(l.partial[:i]); err != nil {
			return 0, err
		}
		l.partial = l.partial[i+1:]
	}
}
