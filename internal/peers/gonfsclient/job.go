package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/willscott/go-nfs-client/nfs"
)

// A result is what a step came to.
type result struct {
	Step  string   `json:"step"`
	Error string   `json:"error,omitempty"` // the name of the server's status, or what else went wrong
	Names []string `json:"names,omitempty"` // of a folder, in order
	Size  int64    `json:"size,omitempty"`
}

// job does the steps that in lists:
//
//	mkdir PATH
//	write PATH SIZE SEED      a new file of SIZE bytes that depend on SEED
//	read PATH SIZE SEED       fails when it holds anything else
//	stat PATH
//	rename FROM TO
//	readdir PATH
//	remove PATH
//	rmdir PATH
func job(t *nfs.Target, in io.Reader, out io.Writer) error {
	e := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		r := result{Step: strings.Join(words, " ")}
		err := step(t, words, &r)
		if errors.Is(err, errStep) {
			return err
		}
		if err != nil {
			r.Error = statusOf(err)
		}
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

var errStep = errors.New("this is no step")

func step(t *nfs.Target, words []string, r *result) error {
	arguments := map[string]int{"mkdir": 1, "write": 3, "read": 3, "stat": 1, "rename": 2, "readdir": 1, "remove": 1, "rmdir": 1}
	if n, ok := arguments[words[0]]; !ok || n != len(words)-1 {
		return fmt.Errorf("%w: %s", errStep, r.Step)
	}
	path := words[1]
	switch words[0] {
	case "mkdir":
		_, err := t.Mkdir(path, 0o755)
		return err
	case "rename":
		return t.Rename(path, words[2])
	case "remove":
		return t.Remove(path)
	case "rmdir":
		return t.RmDir(path)
	case "stat":
		info, _, err := t.Lookup(path)
		if err == nil && !info.IsDir() {
			r.Size = info.Size()
		}
		return err
	case "readdir":
		entries, err := t.ReadDirPlus(path)
		for _, e := range entries {
			r.Names = append(r.Names, e.FileName)
		}
		slices.Sort(r.Names)
		return err
	}
	size, err := strconv.Atoi(words[2])
	if err != nil || size < 0 {
		return fmt.Errorf("%w: %s: the size", errStep, r.Step)
	}
	seed, err := strconv.ParseUint(words[3], 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %s: the seed", errStep, r.Step)
	}
	if words[0] == "write" {
		return put(t, path, content(seed, size))
	}
	got, err := get(t, path)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, content(seed, size)) {
		return fmt.Errorf("%s holds %d other bytes", path, len(got))
	}
	return nil
}

// put writes a file and has it flushed.
func put(t *nfs.Target, path string, b []byte) error {
	f, err := t.OpenFile(path, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// get reads a file. That asks for its end as well, as any reader does who does not know the size.
func get(t *nfs.Target, path string) ([]byte, error) {
	f, err := t.Open(path)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(bufio.NewReaderSize(f, 1<<20))
}

// content returns size bytes that depend on seed.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	rand.NewChaCha8(key).Read(b) // it never fails
	return b
}

// statusOf names the server's status, which the library turns into errors of several kinds.
func statusOf(err error) string {
	var status *nfs.Error
	switch {
	case errors.As(err, &status):
		return status.ErrorString
	case os.IsNotExist(err):
		return "NFS3ERR_NOENT"
	case os.IsExist(err):
		return "NFS3ERR_EXIST"
	case os.IsPermission(err):
		return "NFS3ERR_PERM"
	}
	return err.Error()
}
