package monitor

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// WriteMode warns while writing is switched off. ask returns the mode (normal, frozen or moved) and
// when it was set, zero if not known. nextFrozen and nextMoved say what to do; "" means what is right
// for a copy to another database.
func WriteMode(name string, ask func(ctx context.Context) (mode string, since time.Time, err error), nextFrozen, nextMoved string) Check {
	return Check{Name: name, Run: func(ctx context.Context) Finding {
		mode, since, err := ask(ctx)
		switch {
		case err != nil:
			return unknown("Whether writes are allowed", err, "remora-server doctor")
		case mode == "normal":
			return Finding{Level: OK, Summary: "Writes are allowed."}
		case mode == "frozen":
			return Finding{
				Level: Warn, Summary: "Writes are frozen" + sinceText(since) + ": everything is served, nothing can be added.",
				Next: cmp.Or(nextFrozen, "Wait for remora-server db copy to end; if it was broken off, run it again: it goes on where it was."),
			}
		case mode == "moved":
			return Finding{
				Level: Warn, Summary: "The catalog has moved to another database" + sinceText(since) + "; this one takes no writes any more.",
				Next: cmp.Or(nextMoved, "Set database.url to the new database and restart: systemctl restart remora-server"),
			}
		}
		return Finding{Level: Bad, Summary: fmt.Sprintf("The write mode %q is not known to this program.", clean(mode)), Next: "remora-server version, and install the version that the database was last used with."}
	}}
}

// Canary tries something whole, such as to put, open and remove a small file in the store. It is Bad
// when try fails.
func Canary(name, what string, try func(ctx context.Context) error, next string) Check {
	return Check{Name: name, Every: 15 * time.Second, Timeout: 5 * time.Second, Run: func(ctx context.Context) Finding {
		start := time.Now()
		err := try(ctx)
		detail := []Pair{pair("took", "%v", time.Since(start).Round(time.Millisecond))}
		if err != nil {
			return Finding{Level: Bad, Summary: what + " fails: " + reason(err), Next: next, Detail: detail}
		}
		return Finding{Level: OK, Summary: what + " works.", Detail: detail}
	}}
}

// Space is what is free on a file system. A total of zero means that it is not limited, or not known.
type Space struct {
	FreeBytes, TotalBytes uint64 // free: for this account
	FreeFiles, TotalFiles uint64 // inodes
}

// Limits say when little space is left. The zero value warns below 10 % and is Bad below 3 %.
type Limits struct {
	// Warn and Bad are shares of the whole, above 0 and below 1; they hold for inodes too.
	Warn, Bad float64
	// WarnBytes and BadBytes, where not 0, hold for the bytes instead of the shares: 10 % of a large
	// disk is much.
	WarnBytes, BadBytes uint64
}

// Disk watches the space of the file system that path is on. ask may be [FolderSpace], or any function
// that knows about a file system elsewhere.
func Disk(name, path string, ask func(path string) (Space, error), l Limits) Check {
	l.Warn, l.Bad = cmp.Or(l.Warn, 0.10), cmp.Or(l.Bad, 0.03)
	return Check{Name: name, Every: 30 * time.Second, Fall: 1, Run: func(context.Context) Finding {
		s, err := ask(path)
		if err != nil {
			return unknown("The free space of "+path, err, "df -h "+path)
		}
		return l.judge(path, s)
	}}
}

func (l Limits) judge(path string, s Space) Finding {
	var list []Finding
	little := func(what, command string, free, total, warn, bad uint64) {
		level := OK
		switch {
		case total == 0:
			return
		case free < bad:
			level = Bad
		case free < warn:
			level = Warn
		default:
			return
		}
		list = append(list, Finding{
			Level:   level,
			Summary: fmt.Sprintf("Little space is left for %s: %s has fewer %s free than it should.", path, path, what),
			Next:    "See what takes it: " + command + " " + path + "; old backups and logs are the first to go.",
		})
	}
	share := func(total uint64, f float64) uint64 { return uint64(float64(total) * f) }
	little("bytes", "df -h", s.FreeBytes, s.TotalBytes, cmp.Or(l.WarnBytes, share(s.TotalBytes, l.Warn)), cmp.Or(l.BadBytes, share(s.TotalBytes, l.Bad)))
	little("inodes", "df -i", s.FreeFiles, s.TotalFiles, share(s.TotalFiles, l.Warn), share(s.TotalFiles, l.Bad))
	var detail []Pair
	if s.TotalBytes > 0 {
		detail = append(detail, pair("free", "%d MiB of %d MiB", s.FreeBytes>>20, s.TotalBytes>>20))
	}
	if s.TotalFiles > 0 {
		detail = append(detail, pair("inodes free", "%d of %d", s.FreeFiles, s.TotalFiles))
	}
	return worst("There is enough space for "+path+".", list, detail...)
}

// A Copy is how complete a copy of the published files is.
type Copy struct {
	Missing int       // files that are published and not in the copy
	Oldest  time.Time // since when the first of them is; zero: not known
}

// CopyBehind warns when a copy of the published files has lacked one for longer than patience; 0 means
// 5 minutes. When it is not known since when, it warns at once.
func CopyBehind(name string, ask func(ctx context.Context) (Copy, error), patience time.Duration, next string) Check {
	if patience == 0 {
		patience = 5 * time.Minute
	}
	return Check{Name: name, Every: 30 * time.Second, Run: func(ctx context.Context) Finding {
		c, err := ask(ctx)
		if err != nil {
			return unknown("Whether the copy of the files is complete", err, next)
		}
		detail := []Pair{pair("missing", "%d", c.Missing)}
		switch {
		case c.Missing <= 0:
			return Finding{Level: OK, Summary: "The copy of the files is complete."}
		case !c.Oldest.IsZero() && time.Since(c.Oldest) <= patience:
			return Finding{Level: OK, Summary: "The copy of the files is complete but for the newest, which are on their way.", Detail: detail}
		}
		return Finding{
			Level: Warn, Summary: "The copy of the files is not complete" + sinceText(c.Oldest) + ": without the original, some downloads would fail.",
			Next: next, Detail: detail,
		}
	}}
}
