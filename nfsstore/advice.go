package nfsstore

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A Level says how much an [Advice] matters.
type Level int

// The levels.
const (
	LevelInfo  Level = iota // worth knowing
	LevelWarn               // it works, and something is worse than it could be
	LevelError              // files must not be kept there like that
)

// String returns info, warning or error.
func (l Level) String() string {
	switch l {
	case LevelInfo:
		return "info"
	case LevelWarn:
		return "warning"
	}
	return "error"
}

// An Advice is a sentence about a place, which says what to do.
type Advice struct {
	Level Level
	Text  string
}

// advise looks at a mount.
func (m *Mount) advise(say func(Level, string, ...any)) {
	if m.ReadOnly {
		say(LevelError, "%s is mounted read-only, so nothing can be stored; mount it with rw", m.Point)
	}
	if m.NFS() {
		m.adviseNFS(say)
		return
	}
	switch {
	case m.Type == "tmpfs" || m.Type == "ramfs":
		say(LevelError, "%s is in memory (%s): everything is lost with the power; choose a folder on a disk", m.Point, m.Type)
	case m.Type == "overlay":
		say(LevelWarn, "the folder is in the layer of a container (overlay), and goes with it; put it on a volume")
	case m.Type == "vfat" || m.Type == "msdos" || m.Type == "exfat":
		say(LevelWarn, "%s has no journal, no links, and does not tell A from a; choose ext4, XFS or Btrfs", m.Type)
	case strings.HasPrefix(m.Type, "fuse"), m.Type == "cifs", m.Type == "smb3", m.Type == "9p":
		say(LevelWarn, "it is not known whether %s keeps its word about fsync; a local disk or NFS does", m.Type)
	}
}

func (m *Mount) adviseNFS(say func(Level, string, ...any)) {
	if strings.HasPrefix(m.Version, "2") {
		say(LevelError, "it is mounted with NFS version 2, which holds no file above 2 GiB; mount it with vers=3 or vers=4.2")
	}
	if m.Proto == "udp" || m.Proto == "udp6" {
		say(LevelError, "it is mounted over UDP, where damaged packets can pass for whole ones; mount it with proto=tcp")
	}
	if ip, err := netip.ParseAddr(m.Server); err == nil && m.Security == "sys" && ip.IsGlobalUnicast() && !ip.Unmap().IsPrivate() {
		say(LevelError, "the server %s has a public address, and sec=sys believes everybody; use a private network or a tunnel (such as WireGuard)", m.Server)
	}
	switch {
	case m.LookupCache == "positive" || m.LookupCache == "pos" || m.LookupCache == "none":
	case m.NoCache:
		say(LevelInfo, "noac asks the server at every look; lookupcache=positive alone is enough, and faster")
	default:
		say(LevelWarn, "a machine that looked for a file before it came does not see it for some time (17 s were measured with the usual options; "+
			"at most %v); mount with lookupcache=positive on all machines that read", m.DirMax)
	}
	switch m.Recovery {
	case "hard":
		say(LevelInfo, "it is a hard mount: while the server is away, calls hang in the kernel. Those of a store come back at their deadlines, "+
			"but leave threads behind (as many as its concurrency), and the process cannot be ended. softerr,timeo=100,retrans=2 is safe for a store, which ignores no error and replaces nothing")
	case "soft":
		say(LevelInfo, "it is a soft mount: after %v without an answer calls fail as if the disk were broken; softerr tells that apart", m.GivesUpAfter())
	case "softerr":
		if after := m.GivesUpAfter(); after > time.Minute {
			say(LevelInfo, "a call fails only after %v without an answer; timeo=100,retrans=2 are 60 s", after)
		}
	}
	const small = 64 << 10
	if m.WriteSize > 0 && m.WriteSize < small || m.ReadSize > 0 && m.ReadSize < small {
		say(LevelWarn, "requests carry only %d bytes when reading and %d when writing, which is slow; mount with rsize=1048576,wsize=1048576", m.ReadSize, m.WriteSize)
	}
	if m.Locks {
		say(LevelInfo, "locks go to the server, which needs statd; no store takes any, so nolock does")
	}
	say(LevelInfo, "it cannot be seen from here whether the server syncs before it answers; look that its export has sync and not async (exportfs -v)")
}

// adviseNames says what the way means in which names are made safe.
func adviseNames(kind string, n vol.Names, say func(Level, string, ...any)) {
	switch {
	case n == vol.NamesByFence:
		say(LevelInfo, "after each change a file is flushed, because the server may acknowledge names that are not on its disk; "+
			"with the NFS server of the Linux kernel and sync exports, names=server in the address does without")
	case n == vol.NamesByServer:
		say(LevelInfo, "names=server trusts the server to sync names before it acknowledges them, as that of the Linux kernel does; NFS-Ganesha does not")
	case n == vol.NamesBySync && kind == kindNFSMount:
		say(LevelError, "names=sync has no effect on a mount of NFS, whose client sends nothing for it; leave it away, or write names=server if the server is that of the Linux kernel")
	}
}

// adviseSpace warns of a place that is nearly full.
func adviseSpace(s vol.Space, say func(Level, string, ...any)) {
	low := func(free, total int64, what string) {
		const part = 20
		switch {
		case total <= 0 || free > total/part:
		case free == 0:
			say(LevelError, "no %s are left", what)
		default:
			say(LevelWarn, "only %s of the %s are left", fmt.Sprintf("%.1f %%", 100*float64(free)/float64(total)), what)
		}
	}
	low(s.Free, s.Total, "bytes")
	low(s.FreeFiles, s.TotalFiles, "files (inodes)")
}
