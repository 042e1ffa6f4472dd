package remora

import (
	"context"
	"io"
	"io/fs"
	"strconv"
)

// Files keeps the bundles. Names are slash-separated paths of a small alphabet. What a call that
// returned nil did outlives a power cut. All methods may be called concurrently.
type Files interface {
	// Put stores the size bytes of r under name, checking their sum. Nothing shows under name
	// until all is safe. The same content again is success; other content under a taken name is
	// an error that matches [fs.ErrExist].
	Put(ctx context.Context, name string, r io.Reader, size int64, sha256 []byte) error
	// Open opens a file for reading. The file is also an [io.ReaderAt] and an [io.Seeker]. An
	// absent one is [fs.ErrNotExist]. The caller closes it.
	Open(ctx context.Context, name string) (fs.File, error)
	// Link makes the content of from appear under to as well. A to that has it already is
	// success; one with other content is an error that matches [fs.ErrExist].
	Link(ctx context.Context, from, to string) error
	// Remove takes a name away; other names of the same content stay. An absent one is
	// [fs.ErrNotExist].
	Remove(ctx context.Context, name string) error
}

// UploadName returns the name under which a bundle is kept for as long as any row wants it.
func UploadName(sum Digest) string {
	hex := sum.String()
	return "uploads/sha256/" + hex[:2] + "/" + hex
}

// IconName returns the name under which a sanitised icon is kept.
func IconName(sum Digest) string {
	hex := sum.String()
	return "icons/sha256/" + hex[:2] + "/" + hex + ".svg"
}

// ImageName returns the name under which a screenshot is kept.
func ImageName(sum Digest) string {
	hex := sum.String()
	return "previews/sha256/" + hex[:2] + "/" + hex
}

// A Position is a point in the change feed. Numbers are comparable only within one epoch, which
// changes when history did: at a restore or a promotion.
type Position struct {
	Epoch string
	Seq   int64
}

// A Header is what a catalog holds besides activities, as of one position.
type Header struct {
	Position
	Categories  []Category
	Collections []Collection
}

// A Delta is what changed after a position: the present form of every changed activity that is
// active and has an offered version, the ids of those that are so no longer, and the new Header.
type Delta struct {
	Header
	Activities []Activity
	Gone       []int64
}

// ErrGap is returned by [Feed.Since] when the feed cannot tell what happened since the position:
// too old, or of another epoch. The reader loads everything anew.
var ErrGap error = &Error{Kind: KindConflict, Code: "feed.gap"}

// Feed is what a view of the catalog is kept fresh by. Activities hold only offered versions
// (published or awaiting); those without any, and disabled or deleted ones, are left out.
type Feed interface {
	// Load passes every activity to add, in one consistent read, and returns the Header of that
	// same moment. An error of add ends it.
	Load(ctx context.Context, add func(Activity) error) (Header, error)
	// Since returns what changed after a position, in one consistent read. When nothing did, the
	// Delta has the same position and no lists; where the position lies ahead, as that of a reader
	// who asks a replica that lags, it has the present position, which is lower, and nothing else.
	// The error may match [ErrGap].
	Since(ctx context.Context, after Position) (Delta, error)
	// Downloads returns the count of downloads of each activity that has any.
	Downloads(ctx context.Context) (map[int64]int64, error)
}

// An Actor is who does something, and why; it goes into the audit log.
type Actor struct {
	UserID int64  // 1 is the system itself
	Reason string // "" where none was given
}

// SystemUser is the user id of the system itself: imports and commands on the machine.
const SystemUser int64 = 1

// A Submission is a checked bundle on its way into the catalog.
type Submission struct {
	BundleID      string
	Name          Text // of the activity, from the bundle
	Summary       Text
	Description   Text
	DefaultLocale string
	ContentBundle bool
	Tags          []string
	License       string
	LicenseText   string
	Homepage      string
	Repository    string
	Icon          Digest
	IconSize      int64

	Number      Number
	Channel     Channel
	Range       Range
	RangeSource RangeSource
	Interpreter Interpreter
	Archs       []string
	Notes       Text
	Size        int64
	SHA256      Digest
	Report      []byte // inventory and warnings, as remora/xo encodes them

	// ActivityID and FileID keep the numbers of an older site; 0 lets the store choose.
	ActivityID, FileID int64
	// History accepts a number equal to an existing one under another spelling.
	History bool
}

// A Stored tells what the store made of a submission.
type Stored struct {
	ActivityID int64
	VersionID  int64
	FileID     int64
	Slug       string
	Filename   string
	State      State
	Existing   bool // the same bundle had this version already
}

// PublicName returns the name under which the version is offered.
func (s Stored) PublicName() string { return PublicName(s.ActivityID, s.Filename) }

// PublicName returns the name under which a version's bundle is offered. public/ holds only what
// may be offered, so that a plain web server or a mirror may serve it.
func PublicName(activityID int64, filename string) string {
	return "public/files/" + strconv.FormatInt(activityID, 10) + "/" + filename
}

// An ActivityEdit changes an activity. Nil fields stay as they are.
type ActivityEdit struct {
	State        *ActivityState
	Listed       *bool
	FeaturedRank *int
	Categories   *[]string // slugs; each must exist
	Tags         *[]string
	Texts        []TextEdit // by the owner: they win over what bundles say
	Network      *Network
	// Authors are the names of those who made it, in order. Who has no user yet is given one
	// without a login; names that differ in case and blanks only are one person's.
	Authors *[]string
	// Screenshots are in the order they are shown. Their bytes must have been staged, and be safe
	// under ImageName. Numbers are the store's to give: one that was there keeps its own.
	Screenshots *[]Image
}

// A TextEdit sets one owner's text; an empty value returns to what the bundle says.
type TextEdit struct{ Field, Locale, Value string } // Field is name, summary or description

// A VersionEdit changes a version. Nil fields stay as they are.
type VersionEdit struct {
	State   *State
	Channel *Channel
	Range   *RangeEdit
}

// A RangeEdit sets a Sugar range, or returns to the inferred one.
type RangeEdit struct {
	Range  Range
	Source RangeSource // RangeInferred ignores Range
}

// A FileName is a public name that may exist although nothing may be offered under it.
type FileName struct {
	VersionID int64
	Name      string
}

// A DownloadCount adds n downloads to a version's day.
type DownloadCount struct {
	Day       string // 2006-01-02, UTC
	VersionID int64
	Source    string // "updater", "page" or "other"
	N         int64
}

// An ActivityQuery selects activities for the people who run the catalog. Zero fields do not
// select.
type ActivityQuery struct {
	Ref   string // id, bundle id or slug of one activity
	State *ActivityState
}

// An AuditEntry is one line of the log of what was done, by whom and why. Each holds the sum of
// the one before it, so that a line cannot be taken out or changed unseen.
type AuditEntry struct {
	ID      int64
	At      Time
	ActorID int64
	Action  string // "version.publish", "activity.hide", …
	Target  string // "activity 100001", "version 1000001", …
	Reason  string
	Data    string // JSON of what was set
	Sum     Digest
}

// Store is the catalog of record. Every write is one transaction that also writes the audit log
// and the change feed; it is refused with KindReadOnly while writes are frozen, and with
// KindUnavailable when the database does not answer. All methods may be called concurrently.
type Store interface {
	Feed

	// Stage notes that the bytes with this sum are about to be Put, so that they can be swept if
	// no version comes to want them.
	Stage(ctx context.Context, sum Digest, size int64, media string) error
	// Draft records a submission whose bytes are safe, in state draft, invisible. Doing it again
	// with the same bytes returns what exists (Existing). The same number with other bytes, or an
	// equal number spelled otherwise, is refused: KindConflict, codes "version.exists" and
	// "version.equal".
	Draft(ctx context.Context, by Actor, s *Submission) (Stored, error)
	// Publish moves a version to state to (awaiting or published) and, when it is now the highest
	// published one, gives the activity the submission's texts, icon and licence. Its public name
	// must be linked before. Doing it again changes nothing.
	Publish(ctx context.Context, by Actor, versionID int64, to State, s *Submission) error

	// Activities passes every activity that q selects, with all its versions in every state, to
	// yield, ordered by id. An error of yield ends it.
	Activities(ctx context.Context, q ActivityQuery, yield func(Activity) error) error
	// EditActivity changes an activity; an unknown id is KindNotFound.
	EditActivity(ctx context.Context, by Actor, activityID int64, e ActivityEdit) error
	// EditVersion changes a version; a state it cannot move to is KindConflict, code
	// "version.transition".
	EditVersion(ctx context.Context, by Actor, versionID int64, e VersionEdit) error
	// PutCollection makes or replaces the collection with this nickname and returns its id. Items
	// are matched by BundleID; an unknown one is KindInvalid, code "collection.unknown".
	PutCollection(ctx context.Context, by Actor, c Collection) (int64, error)

	// Withdrawn returns up to limit public names that must not exist any more; the caller removes
	// them and says so with Unlinked.
	Withdrawn(ctx context.Context, limit int) ([]FileName, error)
	// Unlinked notes that the public names of these versions are gone.
	Unlinked(ctx context.Context, versionIDs []int64) error
	// Relinked notes, before Link is called, that the public name of a version may exist again.
	Relinked(ctx context.Context, versionID int64) error
	// Orphans marks up to limit blobs staged before the moment and wanted by no version as trash
	// and returns them, those marked earlier too; the caller removes the files, then calls Forget.
	Orphans(ctx context.Context, before Time, limit int) ([]Digest, error)
	// Forget drops the rows of removed blobs.
	Forget(ctx context.Context, sums []Digest) error

	// AddDownloads adds counts; it never touches the change feed.
	AddDownloads(ctx context.Context, counts []DownloadCount) error
	// Audit passes the audit log to yield, oldest first, after checking each entry's sum; a broken
	// chain is KindCorrupt.
	Audit(ctx context.Context, yield func(AuditEntry) error) error
}
