package frontdoor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/sugarlabs/beamrider/remora"
)

// maxAnswer bounds what is read from a console.
const maxAnswer = 16 << 20

// Ask gives a command to the console of a running balancer and writes what it answers. A command that
// was refused is an error with its reason.
func Ask(ctx context.Context, socket string, words []string, to io.Writer) (err error) {
	line := strings.Join(words, " ")
	if strings.ContainsAny(line, "\r\n") {
		return remora.Errorf(remora.KindInvalid, "console.command", "A command is one line.")
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &remora.Error{Kind: remora.KindUnavailable, Code: "console.absent", Message: fmt.Sprintf("No balancer has its console at %s. Is it running, with balancer.console set to that?", socket), Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &remora.Error{Kind: remora.KindForbidden, Code: "console.closed", Message: fmt.Sprintf("The console at %s is for the user that runs the balancer.", socket), Err: err}
	case err != nil:
		return &remora.Error{Kind: remora.KindUnavailable, Code: "console.absent", Message: fmt.Sprintf("The console at %s cannot be reached.", socket), Err: err}
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	defer context.AfterFunc(ctx, func() { c.Close() })() // which ends the reading below
	if _, err := fmt.Fprintf(c, "%s\n", line); err != nil {
		return err
	}
	in := bufio.NewScanner(io.LimitReader(c, maxAnswer))
	in.Buffer(nil, maxAnswer)
	for in.Scan() {
		text := in.Text()
		if text == "." {
			return nil
		}
		if reason, ok := strings.CutPrefix(text, "ERR "); ok {
			return remora.Errorf(remora.KindConflict, "console.refused", "%s", reason)
		}
		if _, err := fmt.Fprintln(to, strings.TrimPrefix(text, ".")); err != nil {
			return err
		}
	}
	if err := errors.Join(in.Err(), ctx.Err()); err != nil {
		return err
	}
	return remora.Errorf(remora.KindUnavailable, "console.cut", "The balancer has broken off its answer; perhaps it has just stopped.")
}
