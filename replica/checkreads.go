package replica

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
)

// reading are the words that statements begin with which may read.
var reading = map[string]bool{
	"SELECT": true, "WITH": true, "VALUES": true, "SHOW": true, "EXPLAIN": true, "DESCRIBE": true, "DESC": true,
	"CHECKSUM": true, "HELP": true,
}

// locking is how a SELECT ends that takes locks.
var locking = regexp.MustCompile(`(?i)\b(FOR\s+UPDATE|LOCK\s+IN\s+SHARE\s+MODE)(\s+(NOWAIT|WAIT\s+\d+|SKIP\s+LOCKED))?$`)

// checkRead refuses, if [Config.CheckReads] says so, a statement that does not look like a read.
func (r *Router) checkRead(query string) error {
	if !r.config.CheckReads {
		return nil
	}
	if !looksLikeRead(query) {
		return fmt.Errorf("%w: a statement that begins with %.20q is none for a replica (CheckReads)", ErrReadOnly, firstWord(query))
	}
	text := strings.TrimRight(query, "; \t\r\n")
	if found := locking.FindString(text[max(0, len(text)-80):]); found != "" {
		return fmt.Errorf("%w: on a replica, what %s locks is locked for nobody else (CheckReads)", ErrReadOnly, found)
	}
	return nil
}

func looksLikeRead(query string) bool { return reading[strings.ToUpper(firstWord(query))] }

func firstWord(query string) string {
	text := afterComments(query)
	if i := strings.IndexFunc(text, func(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') }); i >= 0 {
		return text[:i]
	}
	return text
}

// afterComments returns a statement without the comments and brackets before it.
func afterComments(query string) string {
	for {
		query = strings.TrimLeft(query, "( \t\r\n")
		end := ""
		switch {
		case strings.HasPrefix(query, "-- "), strings.HasPrefix(query, "#"):
			end = "\n"
		case strings.HasPrefix(query, "/*"):
			end = "*/"
		default:
			return query
		}
		_, rest, found := strings.Cut(query, end)
		if !found {
			return ""
		}
		query = rest
	}
}

type refusalKey struct{}

// refuse returns a row that has err, which database/sql gives only to who asks a pool.
func (r *Router) refuse(ctx context.Context, err error) *sql.Row {
	return r.none.QueryRowContext(context.WithValue(ctx, refusalKey{}, err), "")
}

func refusalOf(ctx context.Context) error {
	err, _ := ctx.Value(refusalKey{}).(error)
	return err
}
