package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

const usage = `Usage:
  growth stage N [--keep] [--server FILE]       set up the stages 0 to N (0, 1, 2, 3), send visitors, say what they see
  growth prove [--json FILE] [--server FILE]    all stages and all faults under load; exit status 1 if a promise broke

  --server FILE   the remora-server to run; otherwise the one beside this program, or in PATH
  --keep          go on until Ctrl-C; otherwise it ends after half a minute of visitors
  --json FILE     write the report as JSON there too
`

// Exit statuses.
const (
	exitBroken = 1
	exitUsage  = 2
)

// An order is what the command line asks for.
type order struct {
	prove  bool
	stage  int
	keep   bool
	server string
	json   string
}

func parse(args []string) (*order, error) {
	if len(args) == 0 {
		return nil, errors.New("say what to do")
	}
	o := &order{}
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.server, "server", "", "")
	rest := args[1:]
	switch args[0] {
	case "prove":
		o.prove = true
		flags.StringVar(&o.json, "json", "", "")
	case "stage":
		flags.BoolVar(&o.keep, "keep", false, "")
		if len(rest) == 0 {
			return nil, errors.New("say which stage: 0, 1, 2 or 3")
		}
		n, err := strconv.Atoi(rest[0])
		if err != nil || n < 0 || n > 3 {
			return nil, fmt.Errorf("there is no stage %q, only 0, 1, 2 and 3", rest[0])
		}
		o.stage, rest = n, rest[1:]
	default:
		return nil, fmt.Errorf("%q is nothing it can do", args[0])
	}
	if err := flags.Parse(rest); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("what is %q for?", flags.Arg(0))
	}
	return o, nil
}

// needed are the programs a stage runs.
func (o *order) needed() []string {
	programs := []string{"ip"}
	if o.prove || o.stage >= 1 {
		programs = append(programs, "mariadbd", "mariadb-install-db", "ganesha.nfsd", "rpcbind")
	}
	if o.prove || o.stage >= 3 {
		programs = append(programs, "mariadb", "mariadb-dump", "keepalived")
	}
	return programs
}

func main() {
	role := world.Start()
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) || len(os.Args) > 1 && os.Args[1] == "help" {
		fmt.Print(usage)
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "growth: %v\n%s", err, usage)
		os.Exit(exitUsage)
	}
	code := 0
	if role == world.Outside {
		code, err = outside(o)
	} else {
		code, err = inside(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		code = max(code, exitBroken)
	}
	os.Exit(code)
}

// outside looks whether everything is there and enters the world.
func outside(o *order) (int, error) {
	if missing := world.Missing(o.needed()...); len(missing) > 0 {
		return exitUsage, fmt.Errorf("some programs are missing; on Debian: apt-get install %s", strings.Join(unique(missing), " "))
	}
	server, err := o.findServer()
	if err != nil {
		return exitUsage, err
	}
	var report *os.File
	if o.json != "" {
		// Inside, the folders of this computer may be covered by others.
		if report, err = os.OpenFile(o.json, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644); err != nil {
			return exitUsage, err
		}
		defer report.Close()
	}
	return world.Enter(server, os.Args[1:], report)
}

func unique(list []string) (u []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			u = append(u, s)
		}
		seen[s] = true
	}
	return u
}

func (o *order) findServer() (string, error) {
	if o.server != "" {
		return o.server, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "remora-server")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("remora-server")
	if err != nil {
		return "", errors.New("there is no remora-server; build it with \"go build ./cmd/remora-server\" and name it with --server")
	}
	return path, nil
}

// inside builds the world and does what was asked for.
func inside(o *order) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	p, err := newPlan(ctx, say)
	if err != nil {
		return exitBroken, err
	}
	defer func() {
		say("stopping everything")
		err = errors.Join(err, p.close())
	}()
	if o.prove {
		code, err = prove(ctx, p)
	} else {
		err = watch(ctx, p, o)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
		if o.prove {
			err = errors.New("stopped before the proof was done")
		}
	}
	return code, err
}
