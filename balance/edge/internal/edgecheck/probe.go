package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// probe asks for the URL 200 times a second, whether or not answers come, and tells how long they took.
func probe(ctx context.Context, url string, long time.Duration) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var mu sync.Mutex
	var took []time.Duration
	failures := 0
	var all sync.WaitGroup
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(long)
	for {
		select {
		case <-tick.C:
			all.Go(func() {
				start := time.Now()
				err := ask(ctx, client, url)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failures++
				}
				took = append(took, time.Since(start))
			})
			continue
		case <-end:
		case <-ctx.Done():
		}
		break
	}
	all.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		return ctx.Err()
	}
	at := func(share float64) time.Duration {
		return took[int(share*float64(len(took)-1))].Round(10 * time.Microsecond)
	}
	_, err := fmt.Printf("%d requests, %d failed; p50 %v, p90 %v, p99 %v, longest %v\n", len(took), failures, at(0.5), at(0.9), at(0.99), at(1))
	return err
}

func ask(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
