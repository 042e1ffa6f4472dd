package nfsproof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// A FrontEndResult is what one of several machines on one store has done and seen. Times are nanoseconds
// of a clock that all guests of a machine share.
type FrontEndResult struct {
	Published map[string]int64    `json:"published"` // when the call had returned
	Seen      map[string][2]int64 `json:"seen"`      // when it began to look for a file of the other, and could open it
	Read      int                 `json:"read"`      // files
	Partial   int                 `json:"partial"`   // of them not whole
}

// FrontEnds are two machines that stored files in one store.
type FrontEnds struct {
	Published, Read, Partial int
	P50, P99, Slowest        time.Duration // until the other could open a file that it looked for, after the call had returned
}

// TwoFrontEnds has two guests store that many files each in what guest 0 serves.
func (s *Service) TwoFrontEnds(ctx context.Context, files int, options string) (_ *FrontEnds, err error) {
	var results [2]FrontEndResult
	var all errgroup.Group
	var clients []*guest.Guest
	defer func() {
		for _, g := range clients {
			err = errors.Join(err, g.Kill())
		}
	}()
	for i, ids := range [2][2]string{{"a", "b"}, {"b", "a"}} {
		g, err := s.Client(ctx, 1+i, options)
		if err != nil {
			return nil, err
		}
		clients = append(clients, g)
		all.Go(func() error {
			var out, errs bytes.Buffer
			cmd := g.Command(ctx, s.bench.Worker, "frontend", "-dir", "/mnt/n", "-id", ids[0], "-peer", ids[1], "-files", fmt.Sprint(files))
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("front end %s: %w\n%s", ids[0], err, errs.String())
			}
			return json.Unmarshal(out.Bytes(), &results[i])
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	return compare(results)
}

func compare(results [2]FrontEndResult) (*FrontEnds, error) {
	f := &FrontEnds{}
	var took []time.Duration
	for i, r := range results {
		f.Published += len(r.Published)
		f.Read += r.Read
		f.Partial += r.Partial
		for name, at := range r.Published {
			seen, ok := results[1-i].Seen[name]
			if !ok {
				return nil, fmt.Errorf("%s was stored and never seen", name)
			}
			took = append(took, time.Duration(max(seen[1]-max(at, seen[0]), 0)))
		}
	}
	if len(took) == 0 {
		return nil, fmt.Errorf("nothing was stored")
	}
	slices.Sort(took)
	f.P50, f.P99, f.Slowest = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	return f, nil
}
