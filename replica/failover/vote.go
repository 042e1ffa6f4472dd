package failover

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// leastSecret is the shortest secret of a vote, in bytes.
const leastSecret = 16

// longestVote is for how long a vote is given at most.
const longestVote = 10 * time.Second

// maxQuestion bounds a question to a vote, and its answer.
const maxQuestion = 4 << 10

// A Vote lends the vote of this process to whoever is about to promote, one at a time, over HTTP. It
// is a [http.Handler] for one path. What it gave is kept in memory only: after a start it gives
// nothing until a vote of before has run out. Offer it on private networks or by https alone: the
// secret is in each request. It is safe for concurrent use; make it with [NewVote].
type Vote struct {
	secret string

	mu     sync.Mutex
	holder string
	until  time.Time
}

// NewVote returns a vote that is given to those who know secret, of 16 bytes or more.
func NewVote(secret string) (*Vote, error) {
	if len(secret) < leastSecret {
		return nil, fmt.Errorf("failover: the secret of a vote has %d bytes; use %d or more", len(secret), leastSecret)
	}
	// Whom it was given to before the start is not known.
	return &Vote{secret: secret, until: time.Now().Add(longestVote)}, nil
}

// A question is what is sent to a vote.
type question struct {
	Holder string `json:"holder"`
	TTL    int64  `json:"ttl_ms"` // 0: give it back
}

type answer struct {
	Given bool   `json:"given"`
	Error string `json:"error,omitempty"`
}

// ServeHTTP implements [http.Handler]: POST with a question, answered with 200, or 401 for those without
// the secret, 405 and 400 for what is no question.
func (v *Vote) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	say := func(status int, a answer) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		// Who has gone away in the meantime needs no answer.
		_ = json.NewEncoder(w).Encode(a)
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+v.secret)) != 1 {
		say(http.StatusUnauthorized, answer{Error: "the secret is missing or wrong"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		say(http.StatusMethodNotAllowed, answer{Error: "use POST"})
		return
	}
	var q question
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&q); err != nil {
		say(http.StatusBadRequest, answer{Error: "the question cannot be read: " + err.Error()})
		return
	}
	ttl := time.Duration(q.TTL) * time.Millisecond
	if q.Holder == "" || q.TTL < 0 || q.TTL > longestVote.Milliseconds() {
		say(http.StatusBadRequest, answer{Error: fmt.Sprintf("holder must not be empty, and ttl_ms be from 0 to %d", longestVote.Milliseconds())})
		return
	}
	say(http.StatusOK, answer{Given: v.give(q.Holder, ttl, time.Now())})
}

func (v *Vote) give(holder string, ttl time.Duration, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if holder != v.holder && now.Before(v.until) {
		return false
	}
	v.holder, v.until = holder, now.Add(ttl)
	return true
}

// A Voter asks a [Vote] of another process. It is a [promote.Voter], and safe for concurrent use; make it
// with [NewVoter].
type Voter struct {
	name, url, secret string
	client            *http.Client
}

// NewVoter returns a voter that asks the [Vote] at an address, such as http://192.0.2.3:8081/vote. It
// is bounded by the contexts it gets. A nil client means one that follows no redirects.
func NewVoter(name, address, secret string, client *http.Client) (*Voter, error) {
	var errs []error
	if name == "" {
		errs = append(errs, errors.New("failover: a voter needs a name"))
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("failover: voter %q: its address must look like https://host/vote", name))
	}
	if len(secret) < leastSecret {
		errs = append(errs, fmt.Errorf("failover: voter %q: the secret has %d bytes; use %d or more", name, len(secret), leastSecret))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if client == nil {
		// A connection of its own each time: whether an old one works says nothing.
		client = &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Voter{name, address, secret, client}, nil
}

// Name implements [promote.Voter].
func (v *Voter) Name() string { return v.name }

// Lock implements [promote.Voter].
func (v *Voter) Lock(ctx context.Context, holder string, ttl time.Duration) (bool, error) {
	a, err := v.ask(ctx, question{holder, max(1, ttl.Milliseconds())})
	return a.Given, err
}

// Unlock implements [promote.Voter].
func (v *Voter) Unlock(ctx context.Context, holder string) error {
	_, err := v.ask(ctx, question{holder, 0})
	return err
}

func (v *Voter) ask(ctx context.Context, q question) (a answer, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("failover: voter %s: %w", v.name, err)
		}
	}()
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Authorization", "Bearer "+v.secret)
	r.Header.Set("Content-Type", "application/json")
	res, err := v.client.Do(r)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxQuestion)).Decode(&a); err != nil {
		return answer{}, fmt.Errorf("it answers %s with no answer of a vote: %w", res.Status, err)
	}
	if res.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("it answers %s: %.200s", res.Status, a.Error)
	}
	return a, nil
}
