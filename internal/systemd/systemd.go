// Package systemd tells systemd how a process is, where there is one (sd_notify(3)), and has it read
// its settings again when it is asked to.
package systemd

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notices are what a process says, and what makes it reload. All fields are required.
type Notices struct {
	Log     *slog.Logger
	Hangups <-chan os.Signal // each asks for a reload
	File    string           // whose change asks for one too
	Every   time.Duration    // between two looks at it
	Reload  func()
}

// Run says that the process is ready, and then what happens, until stop is closed or ctx ends; then it
// says that the process is stopping.
func (n *Notices) Run(ctx context.Context, stop <-chan struct{}) {
	n.tell(daemon.SdNotifyReady)
	defer n.tell(daemon.SdNotifyStopping)
	var watchdog <-chan time.Time
	if every, err := daemon.SdWatchdogEnabled(false); err != nil {
		n.Log.Warn("the watchdog that systemd asks for cannot be used", "error", err)
	} else if every > 0 {
		ticker := time.NewTicker(every / 3)
		defer ticker.Stop()
		watchdog = ticker.C
	}
	seen := stamp(n.File)
	look := time.NewTicker(n.Every)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-watchdog:
			n.tell(daemon.SdNotifyWatchdog)
			continue
		case <-look.C:
			now := stamp(n.File)
			if now == seen {
				continue
			}
			seen = now
		case <-n.Hangups:
		}
		n.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
		n.Reload()
		n.tell(daemon.SdNotifyReady)
	}
}

func (n *Notices) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.Log.Warn("systemd could not be told how this process is", "error", err)
	}
}

// stamp returns what changes with a file.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "" // absent, or not to be seen: it asks for nothing
	}
	return info.ModTime().String()
}
