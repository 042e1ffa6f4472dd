package sugarclient

import (
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/sugarclient/sugarhome"
)

// What the client deals in; see package sugarhome.
type (
	Bundle = sugarhome.Bundle
	Offer  = sugarhome.Offer
	Report = sugarhome.Report
)

// A Laptop is a home folder with Sugar in it. Whatever keeps it from working ends its test.
type Laptop struct {
	// Sugar makes the client say that it is this release; "" is the release it is.
	Sugar string
	t     testing.TB
	home  *sugarhome.Home
}

// New returns a laptop without activities. Where the machine has no Sugar the test is skipped.
func New(t testing.TB) *Laptop {
	t.Helper()
	if absent := sugarhome.Absent(); absent != "" {
		require.Skip(t, absent)
	}
	home, err := sugarhome.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Laptop{t: t, home: home}
}

// Install puts an activity on the laptop without a server.
func (l *Laptop) Install(b Bundle) {
	l.t.Helper()
	if err := l.home.Install(b); err != nil {
		l.t.Fatal(err)
	}
}

// Read returns a file of an installed activity, "" if there is no such file.
func (l *Laptop) Read(b Bundle, name string) string {
	l.t.Helper()
	text, err := l.home.Read(b, name)
	if err != nil {
		l.t.Fatal(err)
	}
	return text
}

// Version returns the version of an installed activity as its activity.info says it, "" if absent.
func (l *Laptop) Version(b Bundle) string {
	l.t.Helper()
	v, err := l.home.Version(b)
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// Update makes the laptop look for updates of all its activities at a server ("http://host:port"),
// and take and install them.
func (l *Laptop) Update(server string) Report {
	l.t.Helper()
	l.home.Sugar = l.Sugar
	return l.reported(l.home.Update(l.t.Context(), server))
}

// Group makes the laptop read an update group's page.
func (l *Laptop) Group(url string) Report {
	l.t.Helper()
	l.home.Sugar = l.Sugar
	return l.reported(l.home.Group(l.t.Context(), url))
}

// Peek makes the laptop read one entry of a bundle that stays on the server, with requests for
// ranges of it.
func (l *Laptop) Peek(url, entry string) Report {
	l.t.Helper()
	l.home.Sugar = l.Sugar
	return l.reported(l.home.Peek(l.t.Context(), url, entry))
}

func (l *Laptop) reported(r Report, err error) Report {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	if r.Error != "" {
		l.t.Logf("the Sugar client said: %s\n%s", r.Error, r.Printed)
	}
	r.Printed = ""
	return r
}
