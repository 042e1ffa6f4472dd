package main

import (
	"context"
	"fmt"
	"io"

	"github.com/sugarlabs/beamrider/replica"
)

const insert = "INSERT INTO beamrider_example (note) VALUES ('turtles')"

// show writes a note and reads it back: by who wrote it, by somebody else, and by a job elsewhere.
func show(ctx context.Context, r *replica.Router, out io.Writer) error {
	session := replica.NewSession() // one for each visitor
	mine := replica.WithSession(ctx, session)
	if _, err := r.Write(mine).ExecContext(mine, insert); err != nil {
		return err
	}
	if err := count(mine, r, out, "Who wrote the note sees"); err != nil {
		return err
	}
	if err := count(ctx, r, out, "Somebody else, at once, sees"); err != nil {
		return err
	}
	// The token travels in a cookie, a header or a message. To people it goes sealed; see replica.Sealer.
	token, err := replica.ParseToken(session.Token().String())
	if err != nil {
		return err
	}
	job := replica.NewSession()
	job.Observe(token)
	if err := count(replica.WithSession(ctx, job), r, out, fmt.Sprintf("A job that was given the token %s sees", token)); err != nil {
		return err
	}
	if err := settle(ctx, r, session); err != nil {
		return err
	}
	return count(mine, r, out, "Who wrote it, a little later, sees")
}

// count says how many notes a reader sees, and on which server.
func count(ctx context.Context, r *replica.Router, out io.Writer, who string) error {
	var notes, server int
	err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*), @@server_id FROM beamrider_example").Scan(&notes, &server)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s %d, on server %d.\n", who, notes, server)
	}
	return err
}
