package console

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// done is the answer to a command that has changed something.
type done struct {
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

func did(format string, args ...any) (answer, error) {
	text := fmt.Sprintf(format, args...)
	return answer{text: "OK " + text, value: done{true, text}}, nil
}

// command does what a line says. end: the connection shall be closed after the answer.
func (c *Console) command(ctx context.Context, line string) (a answer, end bool) {
	cmd, v, err := parse(line)
	if err == nil {
		a, err = c.do(ctx, cmd)
	}
	if v.changes {
		c.o.Logger.Info("a command was given on the console", "command", strings.Join(append([]string{cmd.verb}, cmd.args...), " "), "error", err)
	}
	a.err, a.json = err, cmd.json
	return a, cmd.verb == "quit" && err == nil
}

func (c *Console) do(ctx context.Context, cmd command) (answer, error) {
	switch cmd.verb {
	case "help":
		return help()
	case "summary":
		s := c.b.Summary()
		return answer{text: s, value: s}, nil
	case "show pool":
		list := c.b.Snapshot()
		return answer{text: poolTable(list), value: list}, nil
	case "states":
		return states(c.b.Snapshot())
	case "queues":
		q := c.b.Stats().Queue
		return answer{text: queueText(q), value: q}, nil
	case "stats":
		s := c.b.Stats()
		return answer{text: statsText(s), value: s}, nil
	case "timings":
		t := c.b.Timings()
		return answer{text: timingsText(t), value: t}, nil
	case "uptime":
		up := time.Since(c.since).Truncate(time.Second)
		return answer{text: fmt.Sprintf("%s, since %s", up, c.since.UTC().Format(time.RFC3339)), value: map[string]any{"seconds": int64(up.Seconds()), "since": c.since.UTC()}}, nil
	case "version":
		version := c.o.Version
		if version == "" {
			version = "not known"
		}
		return answer{text: version, value: version}, nil
	case "quit":
		return did("Good bye.")
	}
	return c.change(ctx, cmd)
}

// change does the commands that change something.
func (c *Console) change(ctx context.Context, cmd command) (answer, error) {
	name := ""
	if len(cmd.args) > 0 {
		name = cmd.args[0]
	}
	switch cmd.verb {
	case "pool add":
		b, err := backend(cmd.args)
		if err != nil {
			return answer{}, err
		}
		return after(c.b.Add(b), "%s is in the pool.", name)
	case "pool remove":
		return after(c.b.Remove(name), "%s is not in the pool any more; what it is serving it finishes.", name)
	case "node undrain":
		return after(c.b.Undrain(name), "%s gets requests again.", name)
	case "node enable":
		return after(c.b.Enable(name), "%s gets requests again.", name)
	case "node disable":
		reason := strings.Join(cmd.args[1:], " ")
		if reason == "" {
			reason = "it was disabled on the console"
		}
		return after(c.b.Disable(name, reason), "%s gets no requests: %s.", name, strings.TrimSuffix(reason, "."))
	case "node weight":
		n, err := strconv.Atoi(cmd.args[1])
		if err != nil || n < 1 {
			return answer{}, plain("The weight must be a whole number from 1 on.")
		}
		return after(c.b.SetWeight(name, n), "%s has weight %d.", name, n)
	case "node drain":
		return c.drain(ctx, cmd.args)
	case "shutdown graceful":
		if c.o.Stop == nil {
			return answer{}, plain("This console cannot stop the process. Send it SIGTERM.")
		}
		c.o.Stop()
		return did("The process stops when its requests are done.")
	}
	return c.purge(cmd)
}

func after(err error, format string, args ...any) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return did(format, args...)
}

func (c *Console) purge(cmd command) (answer, error) {
	if c.o.Cache == nil {
		return answer{}, plain("There is no cache here, so nothing can be purged.")
	}
	n := 0
	switch cmd.verb {
	case "purge url":
		var err error
		if n, err = c.o.Cache.Purge(cmd.args[0]); err != nil {
			return answer{}, err
		}
	case "purge tag":
		n = c.o.Cache.PurgeTag(cmd.args[0])
	default:
		n = c.o.Cache.PurgeAll()
	}
	text := fmt.Sprintf("%d stored answers are gone.", n)
	if n == 1 {
		text = "1 stored answer is gone."
	}
	return answer{text: "OK " + text, value: map[string]any{"ok": true, "message": text, "purged": n}}, nil
}

// drain begins at once, and waits for as long as it is told to.
func (c *Console) drain(ctx context.Context, args []string) (answer, error) {
	name, wait := args[0], time.Duration(0)
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 0 || n > int(maxDrainWait/time.Second) {
			return answer{}, plainf("The seconds to wait must be a whole number from 0 to %d.", int(maxDrainWait/time.Second))
		}
		wait = time.Duration(n) * time.Second
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := c.b.Drain(waiting, name)
	switch {
	case err == nil:
		return did("%s is drained: nothing is in flight there.", name)
	case ctx.Err() != nil:
		return answer{}, plainf("The console is being closed; %s stays draining.", name)
	case waiting.Err() == nil || errors.Is(err, balance.ErrUnknownBackend):
		return answer{}, err
	}
	left := 0
	for _, s := range c.b.Snapshot() {
		if s.Name == name {
			left = s.InFlight
		}
	}
	return did("%s is draining; requests in flight there: %d. Look again by: show pool", name, left)
}

func help() (answer, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	type entry struct {
		Command string `json:"command"`
		Does    string `json:"does"`
	}
	var list []entry
	for _, v := range verbs {
		fmt.Fprintf(t, "%s\t%s\n", v.usage(), v.does)
		list = append(list, entry{v.usage(), v.does})
	}
	fmt.Fprintf(t, "COMMAND json\tanswers in JSON\n")
	return answer{text: flushed(t, &b), value: list}, nil
}

// flushed returns what a tabwriter has made of a table.
func flushed(t *tabwriter.Writer, b *strings.Builder) string {
	_ = t.Flush() // into memory, which does not fail
	return b.String()
}

func poolTable(list []balance.Status) string {
	if len(list) == 0 {
		return "There are no backends. Add one by: pool add NAME URL"
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BACKEND\tSTATE\tFOR\tIN FLIGHT\tWEIGHT\tREQUESTS\tFAILURES\tADDRESS\tWHY")
	for _, s := range list {
		address := s.URL
		if address == "" {
			address = "this process"
		}
		why := strings.Join(strings.Fields(s.Reason), " ")
		if left := time.Until(s.Until); left > 0 {
			why = strings.TrimSuffix("for another "+left.Truncate(time.Second).String()+": "+why, ": ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", s.Name, s.State, time.Since(s.Since).Truncate(time.Second), s.InFlight, s.Weight,
			s.Requests, s.Failures, address, why)
	}
	return flushed(t, &b)
}

func states(list []balance.Status) (answer, error) {
	counts := make(map[string]int)
	var order []string
	for _, s := range list {
		if counts[s.State]++; counts[s.State] == 1 {
			order = append(order, s.State)
		}
	}
	var b strings.Builder
	for _, s := range order {
		fmt.Fprintf(&b, "%s %d\n", s, counts[s])
	}
	if b.Len() == 0 {
		b.WriteString("There are no backends. Add one by: pool add NAME URL")
	}
	return answer{text: b.String(), value: counts}, nil
}

func queueText(q balance.QueueStats) string {
	return fmt.Sprintf("waiting %d\nage %s\nqueued %d\nserved %d\nlongest %s\ncrowded %d\nhopeless %d\noverstayed %d\npushed %d\nleft %d\npace %.1f a second\n",
		q.Waiting, q.Age.Truncate(time.Millisecond), q.Queued, q.Served, q.Longest.Truncate(time.Millisecond), q.Crowded, q.Hopeless, q.Overstayed, q.Pushed, q.Left, q.Pace)
}

func statsText(s balance.Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "requests %d\nretries %d\nrefused %d\nfailed %d\ncut %d\nfail open %d\nejections %d\nstalls %d\nsent %d\nreceived %d\n",
		s.Requests, s.Retries, s.Refused, s.Failed, s.Cut, s.FailOpen, s.Ejections, s.Stalls, s.Sent, s.Received)
	for class, n := range s.Answers {
		name := "no answer"
		if class > 0 {
			name = strconv.Itoa(class) + "xx"
		}
		fmt.Fprintf(&b, "%s %d\n", name, n)
	}
	for end, n := range s.Ends {
		if n > 0 {
			fmt.Fprintf(&b, "%s %d\n", balance.End(end), n)
		}
	}
	return b.String()
}

func timingsText(t balance.Timings) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tSTATUS\tCOUNT\tHALF\t9 OF 10\t99 OF 100\tLONGEST")
	for _, part := range []struct {
		name string
		of   [6]balance.Histogram
	}{{"queue", t.Queue}, {"first byte", t.FirstByte}, {"total", t.Total}} {
		for class, h := range part.of {
			if h.Count == 0 {
				continue
			}
			status := "none"
			if class > 0 {
				status = strconv.Itoa(class) + "xx"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", part.name, status, h.Count, h.Quantile(0.5), h.Quantile(0.9), h.Quantile(0.99), h.Max)
		}
	}
	return flushed(w, &b)
}
