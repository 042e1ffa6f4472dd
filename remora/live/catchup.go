package live

import (
	"context"
	"fmt"

	"github.com/sugarlabs/beamrider/remora"
)

// Sentinels of [Library.CatchUp] for [errors.Is].
var (
	// ErrBehind: the View could not be brought up to the position in time.
	ErrBehind error = &remora.Error{Kind: remora.KindUnavailable, Code: "view.behind"}
	// ErrEpoch: the position is of another history than the one the database has now, as after a
	// restore. There is nothing to catch up with.
	ErrEpoch error = &remora.Error{Kind: remora.KindConflict, Code: "view.epoch"}
)

// CatchUp brings the View up to a position, and returns nil once it is there or beyond. Where it is
// so already, which costs next to nothing, and for the zero Position, that is at once.
//
// It asks the feed at most twice: first with a question that all callers share, then, if the answer
// is not new enough, with one that carries the values of ctx (not its end), such as a session that
// makes reads go to a replica which has the caller's writes. Questions are asked one after the other,
// however many callers there are, and any answer serves all of them. When ctx ends, CatchUp returns
// at once; a question that is on its way goes on. The error matches [ErrBehind] or [ErrEpoch]. It
// must not be called from a method of the feed.
func (l *Library) CatchUp(ctx context.Context, at remora.Position) error {
	if l.reached(at) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return l.behind(at, err) // whoever has gone asks nothing
	}
	// Its error does not matter: the next question may reach a database that this one did not.
	err := l.Refresh(ctx)
	for mine := false; ; {
		switch {
		case l.reached(at):
			return nil
		case ctx.Err() != nil:
			return l.behind(at, ctx.Err())
		case mine && err == nil && l.View().Position().Epoch != at.Epoch:
			return &remora.Error{Kind: remora.KindConflict, Op: "live.CatchUp", Code: "view.epoch", Message: "The database has another history than the one this position is of, as after a restore."}
		case mine:
			return l.behind(at, err)
		}
		own := false
		done := l.pull.DoChan("", func() (any, error) {
			own = true
			asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
			defer cancel()
			defer context.AfterFunc(l.life, cancel)()
			if l.life.Err() != nil {
				cancel() // at once, not some time soon
			}
			return l.ask(asking)
		})
		select {
		case <-ctx.Done(): // own may be written to from now on
		case r := <-done:
			mine, err = own, r.Err
		}
	}
}

// reached reports whether the View shows a position or what came after it.
func (l *Library) reached(at remora.Position) bool {
	now := l.View().Position()
	return now.Epoch == at.Epoch && now.Seq >= at.Seq || at == remora.Position{}
}

func (l *Library) behind(at remora.Position, cause error) error {
	return &remora.Error{
		Kind: remora.KindUnavailable, Op: "live.CatchUp", Code: "view.behind", Err: cause,
		Message: fmt.Sprintf("What is shown is at change %d and not yet at change %d. Try again in a moment.", l.View().Position().Seq, at.Seq),
	}
}
