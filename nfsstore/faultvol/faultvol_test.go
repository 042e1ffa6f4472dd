package faultvol_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
	"github.com/sugarlabs/beamrider/nfsstore/voltest"
)

// Without a fault it is the volume below.
func TestContract(t *testing.T) {
	voltest.Run(t, func(testing.TB) vol.Vol { return faultvol.New(memvol.New(nil), nil) })
}

func TestFaults(t *testing.T) {
	ctx := t.Context()
	v := faultvol.New(memvol.New(nil), nil)
	var ops []string
	at := func(n int, f faultvol.Fault) {
		ops = nil
		v.Plan(func(op faultvol.Op) faultvol.Fault {
			ops = append(ops, op.String())
			if op.N == n {
				return f
			}
			return faultvol.Fault{}
		})
	}
	exists := func(name string) bool {
		_, err := v.Unwrap().Stat(ctx, name)
		return err == nil
	}
	at(0, faultvol.Fault{Err: syscall.EIO})
	if err := v.Mkdir(ctx, "a"); !errors.Is(err, syscall.EIO) || exists("a") {
		t.Errorf("an error before: %v, there %v", err, exists("a"))
	}
	if err := v.Mkdir(ctx, "a"); err != nil {
		t.Error(err)
	}
	at(0, faultvol.Fault{Err: syscall.EIO, Done: true})
	if err := v.Mkdir(ctx, "b"); !errors.Is(err, syscall.EIO) || !exists("b") {
		t.Errorf("a lost reply: %v, there %v", err, exists("b"))
	}
	at(1, faultvol.Fault{Crash: true, Done: true})
	errs := []error{v.Mkdir(ctx, "c"), v.Mkdir(ctx, "d"), v.Mkdir(ctx, "e"), v.Remove(ctx, "a")}
	if errs[0] != nil || !errors.Is(errs[1], faultvol.ErrCrashed) || !errors.Is(errs[2], faultvol.ErrCrashed) || !errors.Is(errs[3], faultvol.ErrCrashed) {
		t.Errorf("a crash: %v", errs)
	}
	if !exists("c") || !exists("d") || exists("e") || !exists("a") {
		t.Error("a crash is no sharp edge")
	}
	if want := []string{"mkdir c", "mkdir d"}; !slices.Equal(ops, want) {
		t.Errorf("the operations were %q, want %q", ops, want)
	}
}

// What hangs ends with its context, or does not, as in the kernel.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := faultvol.New(memvol.New(nil), nil)
		for _, deaf := range []bool{false, true} {
			hold := make(chan struct{})
			v.Plan(func(faultvol.Op) faultvol.Fault { return faultvol.Fault{Hold: hold, Deaf: deaf} })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- v.Mkdir(ctx, "a") }()
			synctest.Wait()
			cancel()
			synctest.Wait()
			if got := len(done) == 0; got != deaf {
				t.Errorf("deaf %v: after the end of its context it hangs: %v", deaf, got)
			}
			close(hold)
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("deaf %v: %v", deaf, err)
			}
		}
	})
}
