package replicaproof

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A relay is the network in front of one server: it can be cut in silence, be slow, or lose what is
// under way.
type relay struct {
	listener net.Listener
	to       string
	delay    time.Duration // of each byte, in one direction
	all      sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed: bytes pass
	lose  chan struct{} // closed: what is under way is lost, and nothing passes any more
	conns map[net.Conn]bool
	ended bool
}

func newRelay(to string, delay time.Duration) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, to: to, delay: delay, open: make(chan struct{}), lose: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(r.open)
	r.all.Go(r.accept)
	return r, nil
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// cut holds everything back, as a broken cable does: who waits for an answer waits.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

// heal lets everything pass again, also what was held back.
func (r *relay) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
	default:
		close(r.open)
	}
}

// drop ends all connections and loses the bytes that were under way.
func (r *relay) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.lose)
	r.lose = make(chan struct{})
	for c := range r.conns {
		_ = c.Close() // it is lost, whatever it says
	}
}

// close ends the relay and waits until nothing of it is left.
func (r *relay) close() error {
	r.mu.Lock()
	r.ended = true
	err := r.listener.Close()
	r.mu.Unlock()
	r.drop()
	r.heal()
	r.all.Wait()
	return err
}

func (r *relay) gate() (open, lose chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open, r.lose
}

// keep notes a connection, to end it; false: the relay has ended.
func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.conns[c] = true
	}
	return !r.ended
}

func (r *relay) forget(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	_ = c.Close() // mostly a second time
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client has gone already
		}
		if !r.keep(client) {
			_ = client.Close() // nobody is to be served any more
			return
		}
		r.all.Go(func() { r.serve(client) })
	}
}

func (r *relay) serve(client net.Conn) {
	defer r.forget(client)
	open, lose := r.gate()
	select {
	case <-open:
	case <-lose:
		return
	}
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	if !r.keep(server) {
		_ = server.Close() // nobody is to be served any more
		return
	}
	defer r.forget(server)
	var both sync.WaitGroup
	both.Go(func() { r.pump(server, client, lose) })
	both.Go(func() { r.pump(client, server, lose) })
	both.Wait()
}

// A packet is what was read at one time.
type packet struct {
	data []byte
	due  time.Time
}

// underWay bounds the packets between two ends; more have to wait at the sender, as in any network.
const underWay = 64

func (r *relay) pump(to, from net.Conn, lose <-chan struct{}) {
	queue := make(chan packet, underWay)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(queue)
		for {
			data := make([]byte, 16<<10)
			n, err := from.Read(data)
			if n > 0 {
				select {
				case queue <- packet{data[:n], time.Now().Add(r.delay)}:
				case <-lose:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	r.deliver(to, queue, lose)
	// That one end has closed does not get through a cut either.
	open, _ := r.gate()
	select {
	case <-open:
	case <-lose:
	}
	_, _ = to.Close(), from.Close() // the other direction ends with this one
	for range queue {               // so that the reader, if it waits, can end
	}
	reader.Wait()
}

func (r *relay) deliver(to net.Conn, queue <-chan packet, lose <-chan struct{}) {
	for p := range queue {
		if wait := time.Until(p.due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-lose:
				timer.Stop()
				return
			}
		}
		open, _ := r.gate()
		select {
		case <-open:
		case <-lose:
			return
		}
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}
