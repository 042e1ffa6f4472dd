package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sugarlabs/beamrider/remora"
)

// An entry is what one transaction did: a line of the audit log and of the change feed.
type entry struct {
	by                    remora.Actor
	kind                  string // action of the log, kind of the change
	activityID, versionID int64
	target                string
	data                  any
	also                  []int64 // other activities of which readers see something new
}

// kindDraft is the one change that no reader can see: a version that is not offered yet.
const kindDraft = "version.draft"

func onVersion(by remora.Actor, kind string, activityID, versionID int64, data any) *entry {
	return &entry{by: by, kind: kind, activityID: activityID, versionID: versionID, target: fmt.Sprintf("version %d", versionID), data: data}
}

func onActivity(by remora.Actor, kind string, activityID int64, data any) *entry {
	return &entry{by: by, kind: kind, activityID: activityID, target: fmt.Sprintf("activity %d", activityID), data: data}
}

// finish writes the last statements of a transaction that made an entry. The row of seq is the lock
// that makes the order of numbers the order of commits: who has it is the next to commit.
func (t *tx) finish() error {
	if t.entry == nil {
		return nil
	}
	if _, err := t.exec("UPDATE seq SET n = n + 1, audit_id = audit_id + 1 WHERE id = 1"); err != nil {
		return err
	}
	var n int64
	var prev []byte
	e := remora.AuditEntry{
		At: remora.Time(t.time()), ActorID: t.entry.by.UserID, Reason: t.entry.by.Reason,
		Action: t.entry.kind, Target: t.entry.target,
	}
	if err := t.one([]any{&n, &e.ID, &prev}, "SELECT n, audit_id, audit_sum FROM seq WHERE id = 1"); err != nil {
		return err
	}
	if t.entry.data != nil {
		data, err := json.Marshal(t.entry.data)
		if err != nil {
			return err
		}
		e.Data = string(data)
	}
	e.Sum = auditSum(prev, &e)
	_, err := t.exec("INSERT INTO audit (id, at, actor_id, action, target, reason, data, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		e.ID, int64(e.At), e.ActorID, e.Action, e.Target, e.Reason, e.Data, e.Sum[:])
	if err != nil {
		return err
	}
	if _, err := t.exec("UPDATE seq SET audit_sum = ? WHERE id = 1", e.Sum[:]); err != nil {
		return err
	}
	return t.insertRows("INSERT INTO changes (seq, part, at, kind, activity_id, version_id, actor_id)", "", 7, func(yield func([]any) bool) {
		if !yield([]any{n, 0, int64(e.At), t.entry.kind, t.entry.activityID, t.entry.versionID, e.ActorID}) {
			return
		}
		for i, id := range t.entry.also {
			if !yield([]any{n, i + 1, int64(e.At), t.entry.kind, id, int64(0), e.ActorID}) {
				return
			}
		}
	})
}

// auditSum is described in the package comment.
func auditSum(prev []byte, e *remora.AuditEntry) remora.Digest {
	buf := append([]byte(nil), prev...)
	for _, n := range []int64{e.ID, int64(e.At), e.ActorID} {
		buf = binary.BigEndian.AppendUint64(buf, uint64(n))
	}
	for _, s := range []string{e.Action, e.Target, e.Reason, e.Data} {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	return sha256.Sum256(buf)
}

// Audit passes the audit log to yield, oldest first; see [remora.Store]. The log is read in one
// snapshot.
func (s *Store) Audit(ctx context.Context, yield func(remora.AuditEntry) error) error {
	return s.snapshot(ctx, "Audit", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		return t.audit(func(e remora.AuditEntry) error {
			if err := yield(e); err != nil {
				return yieldError{err}
			}
			return nil
		})
	})
}

func (t *tx) audit(yield func(remora.AuditEntry) error) error {
	var last int64
	var sum []byte
	if err := t.one([]any{&last, &sum}, "SELECT audit_id, audit_sum FROM seq WHERE id = 1"); err != nil {
		return err
	}
	const page = 500
	var prev remora.AuditEntry
	for {
		var list []remora.AuditEntry
		var e remora.AuditEntry
		var digest []byte
		err := t.each([]any{&e.ID, &e.At, &e.ActorID, &e.Action, &e.Target, &e.Reason, &e.Data, &digest}, func() (err error) {
			e.Sum, err = digestOf(digest)
			list = append(list, e)
			return err
		}, "SELECT id, at, actor_id, action, target, reason, data, sum FROM audit WHERE id > ? ORDER BY id LIMIT ?", prev.ID, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			before := prev.Sum[:]
			if prev.ID == 0 {
				before = nil
			}
			if e.ID != prev.ID+1 || auditSum(before, &e) != e.Sum {
				return remora.Errorf(remora.KindCorrupt, "audit.chain", "Line %d of the audit log does not follow from the one before it: the log was changed by other means than this program.", e.ID)
			}
			if err := yield(e); err != nil {
				return err
			}
			prev = e
		}
		if len(list) < page {
			break
		}
	}
	if prev.ID != last || last > 0 && string(prev.Sum[:]) != string(sum) {
		return remora.Errorf(remora.KindCorrupt, "audit.chain", "The audit log ends with line %d, but line %d was written: its end was cut off.", prev.ID, last)
	}
	return nil
}

func digestOf(b []byte) (d remora.Digest, err error) {
	if len(b) == 0 {
		return d, nil
	}
	if len(b) != len(d) {
		return d, remora.Errorf(remora.KindCorrupt, "digest.size", "The database holds a SHA-256 sum of %d bytes instead of %d.", len(b), len(d))
	}
	return remora.Digest(b), nil
}

// digestArg returns what a column holds for d: NULL for none.
func digestArg(d remora.Digest) any {
	if d.IsZero() {
		return nil
	}
	return d[:]
}

func isNone(err error) bool { return errors.Is(err, sql.ErrNoRows) }
