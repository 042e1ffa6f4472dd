package failover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Record is the last failover that a guard knows of.
type Record struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
	To   string    `json:"to"`
}

const (
	recordName = "failover.json"
	maxRecord  = 64 << 10
)

// load reads the note of an earlier run; nil: there is none.
func load(folder string) (r *Record, err error) {
	if folder == "" {
		return nil, nil
	}
	name := filepath.Join(folder, recordName)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failover: the note of the last failover: %w", err)
	}
	if info.Size() > maxRecord {
		return nil, fmt.Errorf("failover: %s is no note of a failover: it has %d bytes", name, info.Size())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("failover: the note of the last failover: %w", err)
	}
	r = &Record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("failover: %s cannot be read (%w); remove it when it is certain that the last failover is long ago", name, err)
	}
	return r, nil
}

// save writes the note, whole or not at all.
func save(folder string, r *Record) (err error) {
	if folder == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("failover: the note of the failover: %w", err)
		}
	}()
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, recordName+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(folder, recordName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// stopped says whether a person has stopped automation; "": not.
func stopped(folder string) string {
	if folder == "" {
		return ""
	}
	name := filepath.Join(folder, NoFailover)
	switch _, err := os.Stat(name); {
	case err == nil:
		return fmt.Sprintf("The file %s is there. Remove it to allow failovers.", name)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("It cannot be told whether the file %s is there: %s.", name, err)
	}
	return ""
}
