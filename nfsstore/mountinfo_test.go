package nfsstore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The lines are those of real mounts, the addresses changed.
var mountLines = map[string]Mount{
	"29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro": {Point: "/", Type: "ext4", Source: "/dev/sda1"},
	`40 29 0:33 / /srv/my\040files ro,noexec - tmpfs tmpfs rw,size=64k`:       {Point: "/srv/my files", Type: "tmpfs", Source: "tmpfs", ReadOnly: true},
	"41 29 0:34 / /mnt rw - xfs /dev/sdb ro":                                  {Point: "/mnt", Type: "xfs", Source: "/dev/sdb", ReadOnly: true},
	"118 29 0:52 / /srv/remora rw,relatime shared:60 - nfs 10.77.0.10:/srv/remora rw,vers=3,rsize=1048576,wsize=1048576,namlen=255,hard,nolock,proto=tcp,timeo=600,retrans=2,sec=sys,mountaddr=10.77.0.10,mountvers=3,mountport=20048,mountproto=tcp,local_lock=all,addr=10.77.0.10": {
		Point: "/srv/remora", Type: "nfs", Source: "10.77.0.10:/srv/remora", Version: "3", Server: "10.77.0.10", Recovery: "hard", LookupCache: "all",
		DirMin: 30 * time.Second, DirMax: time.Minute, Security: "sys", Proto: "tcp", Timeout: time.Minute, Retries: 2, ReadSize: 1 << 20, WriteSize: 1 << 20,
	},
	"119 29 0:53 / /m rw - nfs 10.77.0.10:/x ro,vers=3,rsize=8192,wsize=8192,acdirmin=1,acdirmax=5,softerr,lookupcache=pos,proto=udp,timeo=11,retrans=3,sec=sys,addr=192.0.2.10": {
		Point: "/m", Type: "nfs", Source: "10.77.0.10:/x", ReadOnly: true, Version: "3", Server: "192.0.2.10", Recovery: "softerr", LookupCache: "pos",
		DirMin: time.Second, DirMax: 5 * time.Second, Locks: true, Security: "sys", Proto: "udp", Timeout: 1100 * time.Millisecond, Retries: 3, ReadSize: 8192, WriteSize: 8192,
	},
	"120 29 0:54 / /m4 rw - nfs4 server:/ rw,vers=4.2,soft,noac,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0,proto=tcp6,sec=krb5p,addr=fd00::1": {
		Point: "/m4", Type: "nfs4", Source: "server:/", Version: "4.2", Server: "fd00::1", Recovery: "soft", LookupCache: "all", NoCache: true, Security: "krb5p", Proto: "tcp6",
	},
}

func TestLocks(t *testing.T) {
	for options, want := range map[string]bool{"": true, ",nolock": false, ",local_lock=none": true, ",local_lock=all": false, ",local_lock=flock": true} {
		m, err := parseMount("1 1 0:1 / /x rw - nfs a:/b rw,vers=3" + options)
		if err != nil || m.Locks != want {
			t.Errorf("%q: %+v, %v, want locks %v", options, m, err, want)
		}
	}
}

func TestFindMount(t *testing.T) {
	var table strings.Builder
	table.WriteString("7 1 0:1 / /long rw - overlay overlay rw,lowerdir=" + strings.Repeat("/x:", maxMountLine) + "\n\nnonsense\n")
	for line := range mountLines {
		table.WriteString(line + "\n")
	}
	for line, want := range mountLines {
		id := map[string]uint64{"29": 29, "40": 40, "41": 41, "118": 118, "119": 119, "120": 120}[strings.Fields(line)[0]]
		got, err := findMount(strings.NewReader(table.String()), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("mount %d (-want +got):\n%s", id, diff)
		}
	}
	for _, id := range []uint64{7, 1, 0} { // too long, none
		if m, err := findMount(strings.NewReader(table.String()), id); m != nil || err != nil {
			t.Errorf("mount %d: %+v, %v, want none", id, m, err)
		}
	}
	if m, err := findMount(strings.NewReader("5 1 0:1 / /x rw ext4 /dev/x rw\n"), 5); err == nil {
		t.Errorf("a line without its dash: %+v", m)
	}
}

func TestGivesUpAfter(t *testing.T) {
	for _, c := range []struct {
		m    Mount
		want time.Duration
	}{
		{Mount{Type: "ext4"}, 0},
		{Mount{Type: "nfs", Recovery: "hard", Timeout: time.Second, Retries: 2}, 0},
		{Mount{Type: "nfs", Recovery: "softerr", Timeout: time.Second, Retries: 2}, 6 * time.Second},
		{Mount{Type: "nfs4", Recovery: "soft", Timeout: time.Minute, Retries: 0}, time.Minute},
	} {
		if got := c.m.GivesUpAfter(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.m, got, c.want)
		}
	}
}

func TestAdvise(t *testing.T) {
	good := Mount{
		Point: "/m", Type: "nfs", Version: "3", Server: "10.0.0.1", Recovery: "softerr", LookupCache: "pos", DirMax: time.Minute,
		Security: "sys", Proto: "tcp", Timeout: 10 * time.Second, Retries: 2, ReadSize: 1 << 20, WriteSize: 1 << 20,
	}
	with := func(f func(*Mount)) Mount { m := good; f(&m); return m }
	for name, c := range map[string]struct {
		m     Mount
		level Level
		says  string // "": nothing above info
	}{
		"good":        {m: good},
		"ext4":        {m: Mount{Type: "ext4"}},
		"read-only":   {with(func(m *Mount) { m.ReadOnly = true }), LevelError, "read-only"},
		"version 2":   {with(func(m *Mount) { m.Version = "2" }), LevelError, "version 2"},
		"UDP":         {with(func(m *Mount) { m.Proto = "udp" }), LevelError, "proto=tcp"},
		"public":      {with(func(m *Mount) { m.Server = "192.0.2.7" }), LevelError, "public"},
		"kerberos":    {m: with(func(m *Mount) { m.Server, m.Security = "192.0.2.7", "krb5p" })},
		"lookupcache": {with(func(m *Mount) { m.LookupCache = "all" }), LevelWarn, "lookupcache=positive"},
		"noac":        {with(func(m *Mount) { m.LookupCache, m.NoCache = "all", true }), LevelInfo, "lookupcache=positive alone"},
		"hard":        {with(func(m *Mount) { m.Recovery = "hard" }), LevelInfo, "softerr"},
		"soft":        {with(func(m *Mount) { m.Recovery = "soft" }), LevelInfo, "after 1m0s"},
		"patient":     {with(func(m *Mount) { m.Timeout = time.Minute }), LevelInfo, "after 6m0s"},
		"small":       {with(func(m *Mount) { m.WriteSize = 8192 }), LevelWarn, "wsize=1048576"},
		"locks":       {with(func(m *Mount) { m.Locks = true }), LevelInfo, "nolock"},
		"memory":      {Mount{Type: "tmpfs"}, LevelError, "lost with the power"},
		"container":   {Mount{Type: "overlay"}, LevelWarn, "volume"},
		"FAT":         {Mount{Type: "vfat"}, LevelWarn, "no journal"},
		"user space":  {Mount{Type: "fuse.sshfs"}, LevelWarn, "fsync"},
	} {
		p := new(prober)
		c.m.advise(p.say)
		p.order()
		found := c.says == ""
		for _, a := range p.r.Advice {
			if c.says == "" && a.Level > LevelInfo {
				t.Errorf("%s: it says %v: %s", name, a.Level, a.Text)
			}
			found = found || a.Level == c.level && strings.Contains(a.Text, c.says)
		}
		if !found {
			t.Errorf("%s: no %v says %q: %+v", name, c.level, c.says, p.r.Advice)
		}
		if want := c.level < LevelError; p.r.OK() != want {
			t.Errorf("%s: OK is %v", name, p.r.OK())
		}
	}
}

func FuzzFindMount(f *testing.F) {
	for line := range mountLines {
		f.Add(line)
	}
	f.Add("5 1 0:1 / /x rw - nfs a:/b rw,timeo=99999999999999999999,retrans=2000000000,acdirmax=-1")
	f.Fuzz(func(t *testing.T, table string) {
		for _, id := range []uint64{5, 29, 118} {
			m, err := findMount(strings.NewReader(table), id)
			if err != nil || m == nil {
				continue
			}
			if m.Type == "" || m.GivesUpAfter() < 0 || m.Timeout < 0 || m.DirMax < 0 {
				t.Errorf("%+v makes no sense", m)
			}
			p := new(prober)
			m.advise(p.say)
		}
	})
}
