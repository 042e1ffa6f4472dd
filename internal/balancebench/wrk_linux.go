package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// A wrkReport is what wrk has printed.
type wrkReport struct {
	Requests int64         `json:"requests"`
	Rate     float64       `json:"rate"` // a second
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Bad      int64         `json:"bad"` // answers that are not 2xx or 3xx, and broken connections
	CPU      time.Duration `json:"cpu"` // of wrk itself
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s+(\d+) requests in `)
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkLatency  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)$`)
	wrkStatus   = regexp.MustCompile(`(?m)^\s+Non-2xx or 3xx responses: (\d+)`)
	wrkSockets  = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// runWrk asks for url over so many connections, each as fast as it is answered.
func runWrk(ctx context.Context, connections int, lasts time.Duration, url string) (wrkReport, error) {
	cmd := command(loadCore, "wrk", "-t1", "-c", strconv.Itoa(connections),
		"-d", strconv.FormatFloat(max(lasts.Seconds(), 1), 'f', 0, 64)+"s", "--timeout", "10s", "--latency", url)
	out, err := output(ctx, cmd)
	if err != nil {
		return wrkReport{}, err
	}
	r, err := parseWrk(out)
	r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, err
}

// output runs a command to its end, or to that of ctx.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stopped := context.AfterFunc(ctx, func() { cmd.Process.Kill() }) // it may have ended
	defer stopped()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("%v: %w\n%s", cmd.Args, err, out.Bytes())
	}
	return out.String(), nil
}

func parseWrk(out string) (wrkReport, error) {
	var r wrkReport
	m := wrkRequests.FindStringSubmatch(out)
	rate := wrkRate.FindStringSubmatch(out)
	if m == nil || rate == nil {
		return r, fmt.Errorf("wrk has not said how many requests it made:\n%s", out)
	}
	var err error
	if r.Requests, err = strconv.ParseInt(m[1], 10, 64); err != nil {
		return r, err
	}
	if r.Rate, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return r, err
	}
	for _, l := range wrkLatency.FindAllStringSubmatch(out, -1) {
		d, err := time.ParseDuration(l[2] + l[3])
		if err != nil {
			return r, err
		}
		if l[1] == "50" {
			r.P50 = d
		} else {
			r.P99 = d
		}
	}
	bad := append(wrkStatus.FindStringSubmatch(out), wrkSockets.FindStringSubmatch(out)...)
	for _, s := range bad {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil { // the others are the whole match
			r.Bad += n
		}
	}
	if r.Requests == 0 {
		return r, fmt.Errorf("no request was answered:\n%s", out)
	}
	return r, nil
}
