package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// peersDir holds the programs made of what others wrote, a module of its own.
const peersDir = "internal/peers"

// buildPeers builds them into a folder.
func buildPeers(ctx context.Context, into string) error {
	if _, err := os.Stat(peersDir); err != nil {
		return fmt.Errorf("start it in the top folder of the source: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", peersDir, "-o", into+"/", "./...")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("it cannot be built: %w\n%s", err, out)
	}
	return nil
}

// peerProgram returns the path of one of them, "" when it was not built.
func (b *bench) peerProgram(name string) string {
	program := filepath.Join(os.Getenv(toolsEnv), name)
	if _, err := os.Stat(program); err != nil {
		b.lacks(name)
		return ""
	}
	return program
}

// gonfsd returns a server made of go-nfs, or nil where it could not be built. It is only for reading:
// what it has acknowledged it has not written to the disk.
func (b *bench) gonfsd(ctx context.Context) (*server, error) {
	const name = "go-nfs"
	if s := b.servers.find(name); s != nil {
		return s, nil
	}
	program := b.peerProgram("gonfsd")
	if program == "" {
		return nil, nil
	}
	dir := filepath.Join(b.dir, "gonfsd")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	p, err := b.servers.start(ctx, exec.Command(program, "-l", fmt.Sprintf("127.0.0.1:%d", gonfsdPort), "-d", dir), gonfsdPort)
	if err != nil {
		return nil, err
	}
	return b.servers.add(name, dir, p, gonfsdPort, gonfsdPort), nil
}

// A foreignReport is what gonfsclient prints in its mode bench; times are in seconds.
type foreignReport struct{ Put, Get foreignMeasure }

type foreignMeasure struct{ Seconds, P50, P99 float64 }

// foreign is a subject made of another client of NFS, or none.
func (b *bench) foreign(name string, s *server, which func(*foreignReport) foreignMeasure) []subject {
	program := b.peerProgram("gonfsclient")
	if program == "" {
		return nil
	}
	return []subject{{name: name, server: s.pid, tidy: func() error { return os.RemoveAll(filepath.Join(s.dir, "bench")) },
		turn: func(ctx context.Context, w work) (sample, error) {
			cmd := exec.CommandContext(ctx, program, "-nfs", s.nfs, "-mount", s.mnt, "-export", exported, "bench",
				"-n", strconv.Itoa(w.n), "-size", strconv.Itoa(small), "-workers", strconv.Itoa(w.workers), "-dir", "bench")
			out, err := cmd.Output()
			if err != nil {
				if e, is := errors.AsType[*exec.ExitError](err); is {
					err = fmt.Errorf("%w\n%s", err, e.Stderr)
				}
				return sample{}, err
			}
			var r foreignReport
			if err := json.Unmarshal(out, &r); err != nil {
				return sample{}, fmt.Errorf("its report %q: %w", out, err)
			}
			m := which(&r)
			return sample{all: seconds(m.Seconds), p50: seconds(m.P50), p99: seconds(m.P99)}, nil
		}}}
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
