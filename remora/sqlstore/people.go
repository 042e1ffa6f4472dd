package sqlstore

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
)

const (
	roleAuthor = "author"
	// namedAuthor selects, of activity_people p, those who want to be named.
	namedAuthor = "p.role = '" + roleAuthor + "' AND p.listed = 1"
	// stateNamed is that of a user of whom nothing is known but a name. Nobody can log in as one.
	stateNamed = "named"
	// authorPrefix begins the unique names of such users. No login has a colon.
	authorPrefix = "author:"
)

// authorKey returns what a person's name is told apart by.
func authorKey(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

// authors returns the names with single blanks, each person's once.
func (c *checks) authors(names []string) []string {
	list := []string{}
	if len(names) > maxAuthors {
		c.mistake("there are more than %d authors", maxAuthors)
		return list
	}
	seen := map[string]bool{}
	for _, name := range names {
		name = strings.Join(strings.Fields(name), " ")
		key := authorKey(name)
		switch {
		case name == "":
			c.mistake("an author has no name")
		case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
			c.mistake("the author %.30q has characters that are no text", name)
		case max(utf8.RuneCountInString(name), utf8.RuneCountInString(key)) > maxAuthor:
			c.mistake("the author %.30q… has a name of more than %d characters", name, maxAuthor)
		case !seen[key]:
			seen[key] = true
			list = append(list, name)
		}
	}
	return list
}

// setAuthors names the authors of an activity anew. A person of whom nothing is known but the name is
// spelled as it was given last: also returns the other activities that this changes.
func (t *tx) setAuthors(activityID int64, names []string) (changed bool, also []int64, err error) {
	var have []remora.Author
	var a remora.Author
	err = t.each([]any{&a.ID, &a.Name}, func() error {
		have = append(have, a)
		return nil
	}, "SELECT u.id, u.display_name FROM activity_people p JOIN users u ON u.id = p.user_id WHERE p.activity_id = ? AND "+namedAuthor+" ORDER BY p.position, u.id", activityID)
	if err != nil {
		return false, nil, err
	}
	same := len(have) == len(names)
	for i := 0; same && i < len(have); i++ {
		same = have[i].Name == names[i]
	}
	if same {
		return false, nil, nil
	}
	users := make([]int64, len(names))
	for i, name := range names {
		id, others, err := t.author(activityID, name, have)
		if err != nil {
			return false, nil, err
		}
		users[i] = id
		also = append(also, others...)
	}
	if _, err := t.exec("DELETE FROM activity_people WHERE activity_id = ? AND role = ? AND listed = 1", activityID, roleAuthor); err != nil {
		return false, nil, err
	}
	err = t.insertRows("INSERT INTO activity_people (activity_id, user_id, role, listed, position)",
		t.d.upsert("activity_people", "activity_id, user_id, role", []string{"listed", "position"}, nil), 5, func(yield func([]any) bool) {
			for i, user := range users {
				if !yield([]any{activityID, user, roleAuthor, 1, i + 1}) {
					return
				}
			}
		})
	return true, distinctIDs(also), err
}

// author returns the user with a name: one of those the activity has, or one that is known by the
// name alone, or a new one.
func (t *tx) author(activityID int64, name string, have []remora.Author) (id int64, also []int64, err error) {
	key := authorKey(name)
	var shown, state string
	err = t.one([]any{&id, &shown, &state}, "SELECT id, display_name, state FROM users WHERE name = ?"+t.d.forUpdate, authorPrefix+key)
	if err != nil && !isNone(err) {
		return 0, nil, err
	}
	for _, a := range have {
		if authorKey(a.Name) == key && a.ID != id {
			return a.ID, nil, nil // somebody who has a login, and chose how to be called
		}
	}
	now := t.time()
	if isNone(err) {
		id, err = t.insert("INSERT INTO users (name, display_name, state, created, updated, rev) VALUES (?, ?, ?, ?, ?, 1)", authorPrefix+key, name, stateNamed, now, now)
		return id, nil, err
	}
	if shown == name || state != stateNamed {
		return id, nil, nil
	}
	if _, err := t.exec("UPDATE users SET display_name = ?, updated = ?, rev = rev + 1 WHERE id = ?", name, now, id); err != nil {
		return 0, nil, err
	}
	var other int64
	err = t.each([]any{&other}, func() error {
		also = append(also, other)
		return nil
	}, "SELECT p.activity_id FROM activity_people p WHERE p.user_id = ? AND p.activity_id <> ? AND "+namedAuthor+" ORDER BY p.activity_id", id, activityID)
	return id, also, err
}
