package replicaproof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// peerEnv makes a process the other one of a round: this program, or the test binary, started again.
const peerEnv = "BEAMRIDER_REPLICAPROOF_PEER"

// A request is what the other process is asked for, one per line.
type request struct {
	Token string `json:"token,omitempty"` // of the session
	Read  int64  `json:"read,omitempty"`  // the token of a row to look for
	Write int64  `json:"write,omitempty"` // the token of a row to write
	Key   int    `json:"key,omitempty"`
}

// An answer is what came of it.
type answer struct {
	Found   bool    `json:"found,omitempty"`
	Server  int     `json:"server,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	Version int64   `json:"version,omitempty"`
	Token   string  `json:"token,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Peer is to be called first by a program that runs rounds. It returns true when this process was the
// other one of a round, and is done.
func Peer() bool {
	if os.Getenv(peerEnv) == "" {
		return false
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replicaproof: the other process:", err)
		os.Exit(1)
	}
	return true
}

// serve answers requests with a router of its own, until there are no more. The first line names the nodes.
func serve(in io.Reader, out io.Writer) error {
	lines, write := bufio.NewScanner(in), json.NewEncoder(out)
	var nodes []replica.Node
	if !lines.Scan() {
		return errors.Join(errors.New("it was not told the nodes"), lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &nodes); err != nil {
		return err
	}
	router, stop, err := route(context.Background(), nodes)
	if err != nil {
		return err
	}
	sealer, err := newSealer()
	if err == nil {
		err = write.Encode(answer{}) // it is ready
	}
	for err == nil && lines.Scan() {
		var q request
		if err = json.Unmarshal(lines.Bytes(), &q); err == nil {
			err = write.Encode(respond(router, sealer, q))
		}
	}
	return errors.Join(err, lines.Err(), stop())
}

func respond(router *replica.Router, sealer *replica.Sealer, q request) (a answer) {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	session := replica.NewSession()
	ctx = replica.WithSession(ctx, session)
	var err error
	if q.Token != "" {
		token, err := sealer.Open(q.Token)
		if err != nil {
			return answer{Error: err.Error()}
		}
		session.Observe(token)
	}
	if q.Write != 0 {
		a.Version, err = write(ctx, router, byUpdate, q.Write, q.Key)
		a.Outcome = outcome(err)
		a.Token = sealer.Seal(session.Token())
	} else {
		a.Found, a.Server, err = seen(ctx, router.Read(ctx), q.Read)
	}
	if err != nil {
		a.Error = reason(err)
	}
	return a
}

// newSealer makes what both processes seal tokens with, as front ends do.
func newSealer() (*replica.Sealer, error) {
	return replica.NewSealer(replica.SealerConfig{Keys: [][]byte{[]byte("no secret, only a key")}, Cluster: "replicaproof"})
}

// A peer is the other process, seen from this one. It is for one goroutine at a time.
type peer struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	write *json.Encoder
	lines *bufio.Scanner
	seals *replica.Sealer
}

func startPeer(ctx context.Context, nodes []replica.Node) (_ *peer, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &peer{cmd: exec.CommandContext(ctx, program)}
	if p.seals, err = newSealer(); err != nil {
		return nil, err
	}
	p.cmd.Env = append(os.Environ(), peerEnv+"=1")
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = time.Second
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.write, p.lines = json.NewEncoder(p.in), bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.write.Encode(nodes); err != nil {
		return nil, errors.Join(err, p.end())
	}
	if _, err := p.answer(); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

func (p *peer) answer() (a answer, err error) {
	if !p.lines.Scan() {
		return a, errors.Join(errors.New("the other process says no more"), p.lines.Err())
	}
	return a, json.Unmarshal(p.lines.Bytes(), &a)
}

func (p *peer) ask(q request) (answer, error) {
	if err := p.write.Encode(q); err != nil {
		return answer{}, err
	}
	return p.answer()
}

// end has it end and waits until it has.
func (p *peer) end() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// other runs the other process, and exchanges tokens with it until the end.
func (c *clients) other(nodes []replica.Node) {
	c.all.Go(func() {
		p, err := startPeer(context.WithoutCancel(c.ctx), nodes)
		if err == nil {
			random := rand.New(rand.NewPCG(c.seed, 400))
			for err == nil && c.ctx.Err() == nil && !c.history.full() {
				err = c.exchange(p, random)
			}
			err = errors.Join(err, p.end())
		}
		if err != nil {
			c.failed.Store(&err)
		}
	})
}

// exchange hands a token to the other process, and takes one back.
func (c *clients) exchange(p *peer, random *rand.Rand) error {
	ctx, cancel := c.call()
	defer cancel()
	number := int(c.session.Add(1))
	session := replica.NewSession()
	if w := c.write(ctx, byUpdate, random.IntN(keys), number, session); w.Outcome == Acknowledged {
		r := Read{Session: number, Key: -1, Own: w.Token, Other: true, At: session.Token().String(), Start: c.history.now()}
		a, err := p.ask(request{Token: p.seals.Seal(session.Token()), Read: w.Token})
		if err != nil {
			return err
		}
		r.Found, r.Server, r.End = a.Found, a.Server, c.history.now()
		if a.Error == "" {
			c.history.read(r)
		} else {
			c.history.refuse(errors.New(a.Error))
		}
	}
	w := Write{Token: c.next.Add(1), Key: random.IntN(keys), Other: true, Start: c.history.now()}
	a, err := p.ask(request{Write: w.Token, Key: w.Key})
	if err != nil {
		return err
	}
	w.Outcome, w.Version, w.Error, w.End = a.Outcome, a.Version, a.Error, c.history.now()
	c.history.write(w)
	if w.Outcome != Acknowledged {
		c.pause(10 * time.Millisecond)
		return nil
	}
	token, err := p.seals.Open(a.Token)
	if err != nil {
		return err
	}
	later, done := c.call()
	defer done()
	session = replica.NewSession()
	session.Observe(token)
	c.own(later, session, w.Token, int(c.session.Add(1)), true)
	return nil
}
