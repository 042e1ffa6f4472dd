package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/willscott/go-nfs-client/nfs"
)

// A measure is what a number of equal operations took.
type measure struct {
	Seconds float64 `json:"seconds"` // of all together
	P50     float64 `json:"p50"`     // seconds of one
	P99     float64 `json:"p99"`
}

// A report is what the bench prints.
type report struct {
	N       int     `json:"n"`
	Size    int     `json:"size"` // of each file, bytes
	Workers int     `json:"workers"`
	Put     measure `json:"put"` // write under a temporary name, flush, rename
	Get     measure `json:"get"` // open and read to the end
	Remove  measure `json:"remove"`
}

// bench puts, gets and removes n files of one size in a folder of its own.
func bench(t *nfs.Target, args []string, out io.Writer) error {
	f := flag.NewFlagSet("gonfsclient bench", flag.ContinueOnError)
	n := f.Int("n", 1000, "how many files")
	size := f.Int("size", 16<<10, "bytes of each")
	workers := f.Int("workers", 8, "how many at a time")
	dir := f.String("dir", "bench", "a new folder in the export")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *n < 1 || *size < 0 || *workers < 1 || f.NArg() > 0 {
		return errors.New("bench wants -n and -workers of at least 1, -size of at least 0, and no more")
	}
	if _, err := t.Mkdir(*dir, 0o755); err != nil {
		return fmt.Errorf("mkdir %s: %w", *dir, err)
	}
	want := content(1, *size)
	name := func(i int) string { return fmt.Sprintf("%s/f%06d", *dir, i) }
	r := report{N: *n, Size: *size, Workers: *workers}
	var err error
	for _, m := range []struct {
		to *measure
		do func(i int) error
	}{
		{&r.Put, func(i int) error {
			temp := fmt.Sprintf("%s/.t%06d", *dir, i)
			if err := put(t, temp, want); err != nil {
				return err
			}
			return t.Rename(temp, name(i))
		}},
		{&r.Get, func(i int) error {
			got, err := get(t, name(i))
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("%s holds %d other bytes", name(i), len(got))
			}
			return err
		}},
		{&r.Remove, func(i int) error { return t.Remove(name(i)) }},
	} {
		if *m.to, err = spread(*n, *workers, m.do); err != nil {
			return err
		}
	}
	if err := t.RmDir(*dir); err != nil {
		return fmt.Errorf("rmdir %s: %w", *dir, err)
	}
	return json.NewEncoder(out).Encode(r)
}

// spread does something n times by several workers, until the first error.
func spread(n, workers int, do func(i int) error) (measure, error) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	began := time.Now()
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				at := time.Now()
				if err := do(i); err != nil {
					once.Do(func() { failed = err })
					next.Store(int64(n))
					return
				}
				took[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return measure{}, failed
	}
	m := measure{Seconds: time.Since(began).Seconds()}
	slices.Sort(took)
	m.P50, m.P99 = took[n/2].Seconds(), took[n*99/100].Seconds()
	return m, nil
}
