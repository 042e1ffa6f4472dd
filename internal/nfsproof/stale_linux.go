package nfsproof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// The files of [Service.Stale], by what becomes of them.
const (
	StaleSame  = "same"  // another file of the same content, size and time takes its place
	StaleOther = "other" // another one of the same size does
	StaleGone  = "gone"
)

// A StaleResult is how reading a file ended, after its beginning was read.
type StaleResult struct {
	Name        string
	Read        int64
	Sum         string // SHA-256 of what was read, in hexadecimal
	Error       string
	Changed     bool // the kinds of the error
	Unavailable bool
}

// Stale has a client read files through its mount, which the server loses or replaces behind its back.
// It returns how that went, and the SHA-256 of the file that stays the same.
func (s *Service) Stale(ctx context.Context, client *guest.Guest) (results map[string]StaleResult, same string, err error) {
	const size = 12 << 20 // more than a client reads ahead
	names := []string{StaleSame, StaleOther, StaleGone}
	all := strings.Join(names, " ")
	sum, err := s.Guest.Shell(ctx, fmt.Sprintf("cd %s\nfor f in %s; do head -c %d /dev/urandom > $f; done\nsync\nsha256sum %s", exported, all, size, StaleSame))
	if err != nil {
		return nil, "", err
	}
	same, _, _ = strings.Cut(sum, " ")
	cmd := client.Command(ctx, append([]string{s.bench.Worker, "stale", "-url", "/mnt/n", "-go", "/mnt/n/go"}, names...)...)
	out := &awaited{text: "ready\n", there: make(chan struct{})}
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errs
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.there:
	case err := <-ended:
		return nil, "", fmt.Errorf("the reader has ended: %w\n%s", err, errs.String())
	}
	_, err = s.Guest.Shell(ctx, fmt.Sprintf("cd %s\ncp -p %[2]s new\nmv new %[2]s\nhead -c %[3]d /dev/urandom > new\nmv new %[4]s\nrm %[5]s\nsync\ntouch go",
		exported, StaleSame, size, StaleOther, StaleGone))
	if err != nil {
		return nil, "", err
	}
	if err := <-ended; err != nil {
		return nil, "", fmt.Errorf("the reader: %w\n%s", err, errs.String())
	}
	results = make(map[string]StaleResult)
	_, lines, _ := strings.Cut(out.String(), "ready\n")
	for d := json.NewDecoder(strings.NewReader(lines)); ; {
		var r StaleResult
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return results, same, nil
		} else if err != nil {
			return nil, "", err
		}
		results[r.Name] = r
	}
}
