package nfsstore

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A Mount is what the kernel tells of a mounted file system, as far as it matters to a store.
type Mount struct {
	Point  string // where it is mounted
	Type   string // ext4, nfs, nfs4, fuse.sshfs …
	Source string // a device, or server:/export

	ReadOnly bool

	// Of NFS only.
	Version     string        // "3", "4.2" …
	Server      string        // address
	Recovery    string        // hard, soft or softerr: what comes when the server does not answer
	LookupCache string        // all, positive (or pos), none
	NoCache     bool          // noac, or times of 0: attributes are not cached
	DirMin      time.Duration // acdirmin and acdirmax: how long what is known of a directory is believed
	DirMax      time.Duration
	Locks       bool // file locks go to the server, which no store needs
	Security    string
	Proto       string // tcp, udp …
	Timeout     time.Duration
	Retries     int
	ReadSize    int // bytes of one request
	WriteSize   int
}

// NFS reports whether it is a mount of NFS.
func (m *Mount) NFS() bool { return m.Type == "nfs" || m.Type == "nfs4" }

// GivesUpAfter is how long a soft mount waits for its server before a call fails; 0: for ever. Over
// TCP each try waits longer than the one before by the same time.
func (m *Mount) GivesUpAfter() time.Duration {
	if !m.NFS() || m.Recovery == "hard" {
		return 0
	}
	const longest = 600 * time.Second // a try over TCP waits no longer
	var total time.Duration
	for try := range min(m.Retries, 1000) + 1 {
		total += min(time.Duration(try+1)*m.Timeout, longest)
	}
	return total
}

// maxMountLine bounds a line of the kernel's table, bytes; longer ones, which an overlay of very many
// folders has, are passed over.
const maxMountLine = 1 << 16

// findMount looks for the mount of that number in the form of /proc/self/mountinfo (proc_pid_mountinfo(5)).
// It returns nil when there is none.
func findMount(r io.Reader, id uint64) (*Mount, error) {
	lines := bufio.NewReaderSize(r, maxMountLine)
	for {
		line, whole, err := lines.ReadLine()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		cut := whole
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		first, _, _ := strings.Cut(string(line), " ")
		if n, err := strconv.ParseUint(first, 10, 64); whole || err != nil || n != id {
			continue
		}
		return parseMount(string(line))
	}
}

// parseMount reads one line: number, parent, device, root, point, options, optional fields, a dash,
// type, source, options of the file system.
func parseMount(line string) (*Mount, error) {
	front, back, ok := strings.Cut(line, " - ")
	f, b := strings.Fields(front), strings.Fields(back)
	if !ok || len(f) < 6 || len(b) < 2 {
		return nil, fmt.Errorf("%.200q is no line about a mount", line)
	}
	m := &Mount{Point: unescape(f[4]), Type: unescape(b[0]), Source: unescape(b[1])}
	options := strings.Split(f[5], ",")
	if len(b) > 2 {
		options = append(options, strings.Split(b[2], ",")...)
	}
	if m.NFS() {
		// What the kernel does not say is so.
		m.Recovery, m.LookupCache, m.Locks = "hard", "all", m.Type == "nfs"
		m.DirMin, m.DirMax = 30*time.Second, 60*time.Second
		m.Security, m.Proto = "sys", "tcp"
	}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		if key == "ro" {
			m.ReadOnly = true
		}
		if m.NFS() {
			m.option(key, unescape(value))
		}
	}
	return m, nil
}

// option takes an option of NFS (nfs(5)) in.
func (m *Mount) option(key, value string) {
	number := func() int {
		const most = 1 << 30
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return 0 // the kernel writes none
		}
		return min(n, most)
	}
	seconds := func() time.Duration { return time.Duration(number()) * time.Second }
	switch key {
	case "vers", "nfsvers":
		m.Version = value
	case "hard", "soft", "softerr":
		m.Recovery = key
	case "lookupcache":
		m.LookupCache = value
	case "noac":
		m.NoCache = true
	case "acdirmin":
		m.DirMin = seconds()
	case "acdirmax":
		m.DirMax = seconds()
		m.NoCache = m.NoCache || m.DirMax == 0
	case "actimeo":
		m.DirMin, m.DirMax = seconds(), seconds()
		m.NoCache = m.NoCache || m.DirMax == 0
	case "nolock":
		m.Locks = false
	case "local_lock":
		m.Locks = m.Locks && value != "all"
	case "sec":
		m.Security = value
	case "proto":
		m.Proto = value
	case "timeo":
		m.Timeout = time.Duration(number()) * time.Second / 10
	case "retrans":
		m.Retries = number()
	case "rsize":
		m.ReadSize = number()
	case "wsize":
		m.WriteSize = number()
	case "addr":
		m.Server = value
	}
}

// unescape undoes what the kernel does to spaces and the like: a backslash and three octal digits.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
