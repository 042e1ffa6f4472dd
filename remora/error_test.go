package remora_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func allKinds() (all []remora.Kind) {
	for k := remora.KindInternal; k <= remora.KindCorrupt; k++ {
		all = append(all, k)
	}
	return all
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range allKinds() {
		info := k.Info()
		if info.Name == "" || seen[info.Name] || info.Name != k.String() {
			t.Errorf("kind %d is called %q", k, info.Name)
		}
		seen[info.Name] = true
		if info.HTTPStatus < 400 || info.HTTPStatus > 599 {
			t.Errorf("%v answers %d", k, info.HTTPStatus)
		}
		if info.ExitCode < 1 || info.ExitCode > 4 || info.ExitCode == 2 {
			t.Errorf("%v exits with %d; 2 is for a wrong call of the command", k, info.ExitCode)
		}
		if info.Retryable != (info.HTTPStatus == 503 || info.HTTPStatus == 429) || info.Retryable != (info.ExitCode == 4) {
			t.Errorf("%v: status %d, exit %d, retryable %v do not agree", k, info.HTTPStatus, info.ExitCode, info.Retryable)
		}
	}
	for _, name := range []string{"invalid", "not_found", "conflict", "forbidden", "unauthenticated", "too_large", "limited", "read_only", "unavailable", "corrupt", "internal"} {
		if !seen[name] {
			t.Errorf("there is no kind %s", name)
		}
	}
	if len(seen) != 11 {
		t.Errorf("%d kinds", len(seen))
	}
	if beyond := remora.KindCorrupt + 1; beyond.Info() != remora.KindInternal.Info() || remora.Kind(255).String() != "internal" {
		t.Error("a kind that there is not is not internal")
	}
}

func TestErrorIs(t *testing.T) {
	missing := remora.Errorf(remora.KindNotFound, "activity.unknown", "There is no activity %d.", 7)
	wrapped := fmt.Errorf("page: %w", &remora.Error{Kind: remora.KindUnavailable, Op: "web.Page", Err: missing})
	for _, tt := range []struct {
		err, target error
		want        bool
	}{
		{missing, remora.ErrNotFound, true},
		{missing, fs.ErrNotExist, true},
		{missing, fs.ErrExist, false},
		{missing, remora.ErrConflict, false},
		{missing, &remora.Error{Kind: remora.KindNotFound, Code: "activity.unknown"}, true},
		{missing, &remora.Error{Kind: remora.KindNotFound, Code: "other"}, false},
		{missing, &remora.Error{Kind: remora.KindConflict, Code: "activity.unknown"}, false},
		{missing, &remora.Error{Kind: remora.KindNotFound, Message: "There is no activity 7."}, false},
		{missing, missing, true},
		{wrapped, remora.ErrUnavailable, true},
		{wrapped, remora.ErrNotFound, true}, // the cause counts too
		{remora.ErrNotFound, remora.ErrNotFound, true},
		{remora.ErrNotFound, missing, false},
		{remora.ErrUnavailable, fs.ErrNotExist, false},
		{remora.ErrGap, &remora.Error{Kind: remora.KindConflict, Code: "feed.gap"}, true},
		{remora.Errorf(remora.KindConflict, "", "x"), remora.ErrGap, false},
		{fmt.Errorf("sqlstore: %w", remora.ErrGap), remora.ErrGap, true},
		{&remora.Error{Kind: remora.KindInternal, Err: io.ErrUnexpectedEOF}, io.ErrUnexpectedEOF, true},
	} {
		if got := errors.Is(tt.err, tt.target); got != tt.want {
			t.Errorf("errors.Is(%v, %#v) = %v", tt.err, tt.target, got)
		}
	}
}

func TestErrorWords(t *testing.T) {
	cause := errors.New("dial tcp: refused, password=hunter2")
	for _, tt := range []struct {
		err           error
		line, outside string
		kind          remora.Kind
	}{
		{remora.Errorf(remora.KindInvalid, "c", "The %s is bad.", "name"), "The name is bad.", "The name is bad.", remora.KindInvalid},
		{&remora.Error{Kind: remora.KindUnavailable, Op: "sqlstore.Load", Err: cause}, "sqlstore.Load: " + cause.Error(), "The library cannot do this just now. Try again in a minute.", remora.KindUnavailable},
		{&remora.Error{Kind: remora.KindReadOnly}, "read only", "The library cannot do this just now. Try again in a minute.", remora.KindReadOnly},
		{&remora.Error{Kind: remora.KindNotFound, Op: "x.Y"}, "x.Y: not found", "There is no such thing here.", remora.KindNotFound},
		{&remora.Error{Kind: remora.KindInvalid, Err: cause}, "invalid: " + cause.Error(), "Something went wrong on our side.", remora.KindInvalid},
		{&remora.Error{Kind: remora.KindCorrupt, Op: "a", Message: "The file is damaged.", Err: cause}, "a: The file is damaged.: " + cause.Error(), "The file is damaged.", remora.KindCorrupt},
		{cause, cause.Error(), "Something went wrong on our side.", remora.KindInternal},
		{fmt.Errorf("open x: %w", fs.ErrNotExist), "open x: file does not exist", "There is no such thing here.", remora.KindNotFound},
		{
			fmt.Errorf("outer: %w", &remora.Error{Kind: remora.KindUnavailable, Op: "a", Err: fmt.Errorf("b: %w", remora.Errorf(remora.KindInvalid, "", "Deep down."))}),
			"outer: a: b: Deep down.", "Deep down.", remora.KindUnavailable,
		},
	} {
		if got := tt.err.Error(); got != tt.line {
			t.Errorf("Error = %q, want %q", got, tt.line)
		}
		if got := remora.MessageOf(tt.err); got != tt.outside {
			t.Errorf("MessageOf(%v) = %q, want %q", tt.err, got, tt.outside)
		}
		if got := remora.KindOf(tt.err); got != tt.kind {
			t.Errorf("KindOf(%v) = %v, want %v", tt.err, got, tt.kind)
		}
	}
	if err := (&remora.Error{Kind: remora.KindCorrupt, Err: cause}); !errors.Is(err, cause) || errors.Unwrap(err) != cause {
		t.Error("the cause is lost")
	}
}
