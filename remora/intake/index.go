package intake

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// indexColumns are the columns of an index, in the order WriteIndex writes them.
var indexColumns = []string{"bundle_id", "number", "addon_id", "file_id", "category", "featured", "sugar_min", "sugar_max", "hidden"}

// An Index knows of bundles what they do not say themselves: a table with a line for each activity
// or version. The zero Index knows nothing. It is not to be changed once in use.
type Index struct {
	// Range is what versions are for of which no line says so; nil: inferred.
	Range *remora.Range
	byKey map[string]Facts // by bundle key, or bundle key and number
}

// Facts merges what is known of the activity with what is known of the version.
func (x *Index) Facts(bundleID string, n remora.Number) Facts {
	key := remora.BundleKey(bundleID)
	f := x.byKey[key]
	v := x.byKey[key+" "+n.String()]
	if v.ActivityID != 0 {
		f.ActivityID = v.ActivityID
	}
	f.FileID = v.FileID
	if v.Range != nil {
		f.Range = v.Range
	}
	if v.Categories != nil {
		f.Categories = v.Categories
	}
	if v.FeaturedRank != nil {
		f.FeaturedRank = v.FeaturedRank
	}
	f.Hidden = f.Hidden || v.Hidden
	if f.Range == nil {
		f.Range = x.Range
	}
	return f
}

// ReadIndex reads a CSV table (RFC 4180) whose header line names any of the columns bundle_id,
// number, addon_id, file_id, category, featured, sugar_min, sugar_max and hidden. The error is of
// KindInvalid and names every mistake (up to 20) with its line.
func ReadIndex(r io.Reader) (*Index, error) {
	x, err := parseIndex(r)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "index", Message: "The index has mistakes.", Err: err}
	}
	return x, nil
}

func parseIndex(r io.Reader) (*Index, error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty; its first line should name columns, such as bundle_id,category")
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, name := range header {
		header[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if !slices.Contains(indexColumns, header[i]) {
			errs = append(errs, fmt.Errorf("there is no column %q; the columns are %s", name, strings.Join(indexColumns, ", ")))
		}
	}
	if !slices.Contains(header, "bundle_id") {
		errs = append(errs, errors.New("the column bundle_id is missing"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	x := &Index{byKey: map[string]Facts{}}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return x, errors.Join(errs...)
		}
		if err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
		line, _ := in.FieldPos(0)
		if len(errs) < 20 {
			if err := x.row(header, row); err != nil {
				errs = append(errs, fmt.Errorf("line %d: %w", line, err))
			}
		}
	}
}

func (x *Index) row(header, row []string) error {
	cell := map[string]string{}
	for i, name := range header {
		cell[name] = strings.TrimSpace(row[i])
	}
	if cell["bundle_id"] == "" {
		return errors.New("bundle_id is empty")
	}
	key := remora.BundleKey(cell["bundle_id"])
	if cell["number"] != "" {
		n, err := remora.ParseNumber(cell["number"])
		if err != nil {
			return err
		}
		key += " " + n.String()
	}
	if _, twice := x.byKey[key]; twice {
		return fmt.Errorf("%s stands here a second time", key)
	}
	var f Facts
	var errs []error
	id := func(name string) (n int64) {
		if v := cell[name]; v != "" {
			var err error
			if n, err = strconv.ParseInt(v, 10, 64); err != nil || n < 1 {
				errs = append(errs, fmt.Errorf("%s %q is not a positive whole number", name, v))
			}
		}
		return n
	}
	f.ActivityID, f.FileID = id("addon_id"), id("file_id")
	if f.FileID != 0 && cell["number"] == "" {
		errs = append(errs, errors.New("file_id needs a number: a file is one version's"))
	}
	if rank := id("featured"); rank != 0 {
		n := int(min(rank, 1<<30))
		f.FeaturedRank = &n
	}
	if v := cell["category"]; v != "" {
		f.Categories = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ';' || r == ',' })
	}
	if lo, hi := cell["sugar_min"], cell["sugar_max"]; lo != "" || hi != "" {
		r, err := remora.ParseRange(lo + "-" + hi)
		if err != nil {
			errs = append(errs, err)
		}
		f.Range = &r
	}
	switch v := strings.ToLower(cell["hidden"]); v {
	case "", "no", "false", "0":
	case "yes", "true", "1":
		f.Hidden = true
	default:
		errs = append(errs, fmt.Errorf("hidden %q is neither yes nor no", v))
	}
	x.byKey[key] = f
	return errors.Join(errs...)
}

// WriteIndex writes what ReadIndex reads, for every version of every activity in list.
func WriteIndex(w io.Writer, list []remora.Activity) error {
	out := csv.NewWriter(w)
	if err := out.Write(indexColumns); err != nil {
		return err
	}
	for i := range list {
		a := &list[i]
		yes := ""
		if a.State != remora.ActivityActive {
			yes = "yes"
		}
		featured := ""
		if a.FeaturedRank > 0 {
			featured = strconv.Itoa(a.FeaturedRank)
		}
		id := strconv.FormatInt(a.ID, 10)
		if err := out.Write([]string{a.BundleID, "", id, "", strings.Join(a.Categories, " "), featured, "", "", yes}); err != nil {
			return err
		}
		for _, v := range slices.SortedFunc(slices.Values(a.Versions), func(x, y remora.Version) int { return x.Number.Compare(y.Number) }) {
			lo, hi := "", ""
			if v.RangeSource == remora.RangeSet {
				lo, hi = v.Range.Min.String(), v.Range.Max.String()
			}
			if err := out.Write([]string{a.BundleID, v.Number.String(), id, strconv.FormatInt(v.FileID, 10), "", "", lo, hi, ""}); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}
