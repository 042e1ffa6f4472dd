package sugar

import (
	"bytes"
	"crypto/sha256"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/internal/sugarclient"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

// A laptopRig is a server of real bundles for the real client.
type laptopRig struct {
	url     string
	bundles map[string][]byte
	counts  *counts
}

// serveBundles offers bundles, several of which may be versions of one activity.
func serveBundles(t *testing.T, collection remora.Collection, bundles ...sugarclient.Bundle) laptopRig {
	t.Helper()
	files := folder(t.TempDir())
	packed := map[string][]byte{}
	var list []remora.Activity
	for i, b := range bundles {
		at := slices.IndexFunc(list, func(a remora.Activity) bool { return a.BundleID == b.ID })
		if at < 0 {
			at = len(list)
			list = append(list, remora.Activity{
				ID: int64(100001 + i), BundleID: b.ID, Listed: true, DefaultLocale: "en", Revision: 1,
				Name: remora.PlainText("en", b.Name),
			})
		}
		data, err := b.Pack()
		if err != nil {
			t.Fatal(err)
		}
		filename := strings.TrimSuffix(strings.ToLower(b.Folder()), ".activity") + "-" + b.Version + ".xo"
		packed[filename] = data
		if err := files.Put(t.Context(), remora.PublicName(list[at].ID, filename), bytes.NewReader(data), int64(len(data)), nil); err != nil {
			t.Fatal(err)
		}
		list[at].Versions = append(list[at].Versions, version(int64(1000001+i), filename, b.Version, func(v *remora.Version) {
			v.Size, v.SHA256 = int64(len(data)), sha256.Sum256(data)
			v.Notes = remora.PlainText("en", "New & better")
		}))
	}
	feed := newFeed(list...)
	for i := range collection.Items {
		item := &collection.Items[i]
		for _, a := range list {
			if a.BundleID == item.BundleID {
				item.ActivityID = a.ID
			}
		}
	}
	feed.header.Collections = []remora.Collection{collection}
	library, err := live.New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := site.New(site.Config{})
	if err != nil {
		t.Fatal(err)
	}
	seen := &counts{}
	h, err := New(Config{Library: library, Files: files, Site: s, Counter: seen})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Guard(h))
	t.Cleanup(server.Close)
	return laptopRig{server.URL, packed, seen}
}

// TestRealUpdater is what the whole project is for: Sugar's own updater finds, downloads and
// installs a newer version of an activity.
func TestRealUpdater(t *testing.T) {
	laptop := sugarclient.New(t)
	foo := func(version string) sugarclient.Bundle {
		return sugarclient.Bundle{ID: "org.example.Foo", Name: "Foo", Version: version, Files: map[string]string{
			"data.txt": strings.Repeat("much of version "+version+"\n", 20_000),
		}}
	}
	bar := sugarclient.Bundle{ID: "org.example.Bar", Name: "Bar & Cía", Version: "1.10"}
	same := sugarclient.Bundle{ID: "org.example.Same", Name: "Same", Version: "3"}
	local := sugarclient.Bundle{ID: "org.example.Local", Name: "Local", Version: "5"} // nobody's but the child's
	server := serveBundles(t, remora.Collection{}, foo("1"), foo("2"), bar, same)

	oldBar := bar
	oldBar.Version = "1.9" // as a decimal it would be the newer one
	for _, b := range []sugarclient.Bundle{foo("1"), oldBar, same, local} {
		laptop.Install(b)
	}
	report := laptop.Update(server.url)
	if report.Error != "" {
		t.Fatal(report.Error)
	}
	want := []sugarclient.Offer{
		{ID: "org.example.Bar", Version: "1.10", Link: server.url + "/activities/100003/barca-1.10.xo"},
		{ID: "org.example.Foo", Version: "2", Link: server.url + "/activities/100001/foo-2.xo"},
	}
	for i := range want {
		name := want[i].Link[strings.LastIndexByte(want[i].Link, '/')+1:]
		want[i].Size = kibibytes(int64(len(server.bundles[name]))) * 1024
	}
	byID := cmpopts.SortSlices(func(a, b sugarclient.Offer) bool { return a.ID < b.ID })
	if diff := cmp.Diff(want, report.Offers, byID); diff != "" {
		t.Errorf("offers (-want +got):\n%s", diff)
	}
	if slices.Sort(report.Updated); !slices.Equal(report.Updated, []string{"org.example.Bar", "org.example.Foo"}) || len(report.Failed) > 0 {
		t.Errorf("updated %q, failed %q", report.Updated, report.Failed)
	}
	for _, b := range []sugarclient.Bundle{foo("2"), bar, same, local} {
		if got := laptop.Version(b); got != b.Version {
			t.Errorf("%s is at version %q, want %s", b.ID, got, b.Version)
		}
		if got := report.Registry[b.ID]; got != b.Version {
			t.Errorf("the desktop shows %s at version %q, want %s", b.ID, got, b.Version)
		}
	}
	if got := laptop.Read(foo("2"), "data.txt"); got != foo("2").Files["data.txt"] {
		t.Errorf("the installed file has %d bytes that are not the ones served", len(got))
	}
	if got := server.counts.take(); len(got) != 2 || !strings.HasPrefix(got[0], "updater 127.0.0.1 ") {
		t.Errorf("counted %q, want two downloads by the updater", got)
	}

	// The next look finds nothing more.
	again := laptop.Update(server.url)
	if again.Error != "" || len(again.Offers) > 0 {
		t.Errorf("again: %q, %v", again.Error, again.Offers)
	}
}

// An old Sugar is offered what it can run.
func TestRealUpdaterOldSugar(t *testing.T) {
	laptop := sugarclient.New(t)
	laptop.Sugar = "0.98.2"
	foo := sugarclient.Bundle{ID: "org.example.Foo", Name: "Foo", Version: "1"}
	laptop.Install(foo)
	newer := foo
	newer.Version = "2"
	server := serveBundles(t, remora.Collection{}, newer) // for 0.114 and later
	if report := laptop.Update(server.url); report.Error != "" || len(report.Offers) > 0 {
		t.Errorf("%q, %v", report.Error, report.Offers)
	}
	laptop.Sugar = "0.113"
	if report := laptop.Update(server.url); report.Error != "" || len(report.Updated) != 1 || laptop.Version(foo) != "2" {
		t.Errorf("%q, %v", report.Error, report)
	}
}

// The parser of Sugar's other updater reads our groups. (The updater around it hands bytes to
// HTMLParser in Sugar 0.120, which Python 3 refuses, so it cannot be run whole.)
func TestRealGroup(t *testing.T) {
	laptop := sugarclient.New(t)
	foo := sugarclient.Bundle{ID: "org.example.Foo", Name: "Foo <&> ñandú", Version: "2"}
	bar := sugarclient.Bundle{ID: "org.example.Bar", Name: "Bar", Version: "1.10"}
	server := serveBundles(t, remora.Collection{
		Nickname: "school", DefaultLocale: "en", Name: remora.PlainText("en", "Our & school"), Description: remora.PlainText("en", "All <b>\nwe use"),
		Items: []remora.CollectionItem{{BundleID: foo.ID}, {BundleID: bar.ID, Optional: true}},
	}, foo, bar)
	report := laptop.Group(server.url + "/services/micro-format.php?collection_nickname=school&lang=es_PE&sugar=0.120")
	want := sugarclient.Report{
		Name: "Our & school", Desc: "All <b> we use",
		Offers: []sugarclient.Offer{
			{ID: bar.ID, Version: "1.10", Link: server.url + "/activities/100002/bar-1.10.xo", Optional: true},
			{ID: foo.ID, Version: "2", Link: server.url + "/activities/100001/fooand-2.xo"},
		},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Sugar reads the name of an activity that is not installed out of the bundle on the server, with
// requests for ranges.
func TestRealRanges(t *testing.T) {
	laptop := sugarclient.New(t)
	foo := sugarclient.Bundle{ID: "org.example.Foo", Name: "Foo", Version: "2"}
	server := serveBundles(t, remora.Collection{}, foo)
	report := laptop.Peek(server.url+"/activities/100001/foo-2.xo", "Foo.activity/activity/activity.info")
	if report.Error != "" || !strings.Contains(report.Entry, "bundle_id = org.example.Foo\n") || len(report.Names) != 3 {
		t.Errorf("%+v", report)
	}
	if want := int64(len(server.bundles["foo-2.xo"])); report.Size != want {
		t.Errorf("size %d, want %d", report.Size, want)
	}
}
