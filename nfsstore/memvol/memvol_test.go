package memvol_test

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
	"github.com/sugarlabs/beamrider/nfsstore/voltest"
)

func TestContract(t *testing.T) {
	voltest.Run(t, func(testing.TB) vol.Vol { return memvol.New(nil) })
}

// write makes a file, whose bytes are safe as far as told.
func write(t *testing.T, v *memvol.Vol, name string, safe, unsafe int) {
	t.Helper()
	w, err := v.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Write(t.Context(), make([]byte, safe)), w.Sync(t.Context()), w.Write(t.Context(), make([]byte, unsafe)), w.Close(t.Context()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPowerLoss(t *testing.T) {
	v := memvol.New(nil)
	other := v.Again()
	persist := func(name string, there bool) {
		t.Helper()
		if err := v.Persist(t.Context(), name, there); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(v.Mkdir(t.Context(), "d"))
	must(v.Mkdir(t.Context(), "e"))
	persist("d", true)
	write(t, v, "d/kept", 10, 5)
	persist("d/kept", true)
	write(t, v, "d/neighbour", 10, 0)
	write(t, v, "e/below a lost folder", 10, 0)
	persist("e/below a lost folder", true)
	must(v.Link(t.Context(), "d/kept", "d/second"))
	persist("d/second", true)
	write(t, v, "d/removed", 10, 0)
	persist("d/removed", true)
	must(v.Remove(t.Context(), "d/removed"))
	persist("d/removed", false)
	write(t, v, "d/comes back", 10, 0)
	persist("d/comes back", true)
	must(v.Remove(t.Context(), "d/comes back"))
	open, err := v.Open(t.Context(), "d/kept")
	must(err)

	v.PowerLoss()
	for name, size := range map[string]int64{
		"d/kept": 10, "d/second": 10, "d/comes back": 10, "d/neighbour": -1, "e/below a lost folder": -1, "e": -1, "d/removed": -1,
	} {
		info, err := other.Stat(t.Context(), name)
		switch {
		case size < 0 && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("%s is there, %v", name, err)
		case size >= 0 && (err != nil || info.Size() != size):
			t.Errorf("%s: %v, %v, want %d bytes", name, info, err, size)
		}
	}
	if info, err := v.Stat(t.Context(), "d/kept"); err != nil || vol.Links(info) != 2 {
		t.Errorf("it has %d names, %v", vol.Links(info), err)
	}
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("a file that was open: %v", err)
	}
	if s, err := v.Space(t.Context()); err != nil || s.Total-s.Free != 20 || s.TotalFiles-s.FreeFiles != 3 {
		t.Errorf("%+v, %v; 20 bytes and 3 files are there", s, err)
	}
}

func TestBounds(t *testing.T) {
	v := memvol.New(&memvol.Options{Bytes: 100, Files: 2})
	write(t, v, "a", 60, 0)
	w, err := v.Create(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), make([]byte, 41)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("41 bytes in a room of 40: %v", err)
	}
	if err := w.Write(t.Context(), make([]byte, 40)); err != nil {
		t.Error(err)
	}
	if _, err := v.Create(t.Context(), "c"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a third file: %v", err)
	}
	if err := v.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if s, err := v.Space(t.Context()); err != nil || s.Free != 60 || s.FreeFiles != 1 {
		t.Errorf("after one was removed: %+v, %v", s, err)
	}
}
