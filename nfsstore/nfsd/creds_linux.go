package nfsd

import (
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// A user is whom the kernel is asked as.
type user struct {
	uid, gid uint32
	groups   []uint32
	readOnly bool
	become   bool // the server can be others, and this is not root
}

// maxGroups is how many groups AUTH_SYS carries (RFC 5531, appendix A).
const maxGroups = 16

// rule returns what e allows to an address, nil: nothing.
func (e *export) rule(a netip.Addr) *Client {
	var best *Client
	for i := range e.Clients {
		c := &e.Clients[i]
		if c.Net.Contains(a) && (best == nil || c.Net.Bits() > best.Net.Bits()) {
			best = c
		}
	}
	return best
}

// user returns who the caller is after squashing.
func (r *Client) user(c *credential, readOnly, canBecome bool) user {
	u := user{uid: c.uid, gid: c.gid, groups: c.groups, readOnly: readOnly || r.ReadOnly}
	if !canBecome {
		u.uid, u.gid, u.groups = uint32(os.Geteuid()), uint32(os.Getegid()), nil
		return u
	}
	const none = ^uint32(0) // an id that the kernel takes for "leave it"
	switch {
	case r.Squash == SquashAll:
		u.uid, u.gid, u.groups = r.UID, r.GID, nil
	case r.Squash == SquashRoot:
		if u.uid == 0 {
			u.uid = r.UID
		}
		if u.gid == 0 {
			u.gid = r.GID
		}
		u.groups = slices.DeleteFunc(slices.Clone(u.groups), func(g uint32) bool { return g == 0 })
	}
	if u.uid == none {
		u.uid = nobody
	}
	if u.gid == none {
		u.gid = nobody
	}
	u.groups = slices.DeleteFunc(slices.Clone(u.groups), func(g uint32) bool { return g == none })
	u.become = u.uid != 0 || u.gid != 0
	return u
}

// root reports whether the kernel would refuse u nothing.
func (u *user) root() bool { return u.uid == 0 }

// baseGroups are the groups that the process started with.
var baseGroups = sync.OnceValues(unix.Getgroups)

// do calls f as u. Only this goroutine's thread is u, and only for file operations (setfsuid).
func (u *user) do(f func() error) error {
	if !u.become {
		return f()
	}
	runtime.LockOSThread()
	if err := u.enter(); err != nil {
		// The thread is somebody in between. It stays locked, and ends with this goroutine.
		return err
	}
	err := f()
	if u.leave() {
		runtime.UnlockOSThread()
	}
	return err
}

func (u *user) enter() error {
	base, err := baseGroups()
	if err != nil {
		return err
	}
	if len(u.groups)+len(base) > 0 {
		// This is the system call for one thread; that of package syscall changes all.
		if err := unix.Setgroups(ints(u.groups)); err != nil {
			return err
		}
	}
	// Neither call has an error of its own: whoever wants to know asks again, with an id that
	// changes nothing.
	if _, err := unix.SetfsgidRetGid(int(u.gid)); err != nil {
		return err
	}
	if now, err := unix.SetfsgidRetGid(-1); err != nil || uint32(now) != u.gid {
		return unix.EPERM
	}
	if _, err := unix.SetfsuidRetUid(int(u.uid)); err != nil {
		return err
	}
	if now, err := unix.SetfsuidRetUid(-1); err != nil || uint32(now) != u.uid {
		return unix.EPERM
	}
	return nil
}

// leave makes the thread the server again, and reports whether it is.
func (u *user) leave() bool {
	gid := os.Getegid()
	_, err := unix.SetfsuidRetUid(0)
	_, gerr := unix.SetfsgidRetGid(gid)
	if err != nil || gerr != nil {
		return false
	}
	now, err := unix.SetfsuidRetUid(-1)
	nowGid, gerr := unix.SetfsgidRetGid(-1)
	if err != nil || gerr != nil || now != 0 || nowGid != gid {
		return false
	}
	base, err := baseGroups()
	if err != nil {
		return false
	}
	return len(u.groups)+len(base) == 0 || unix.Setgroups(base) == nil
}

func ints(gs []uint32) []int {
	r := make([]int, len(gs))
	for i, g := range gs {
		r[i] = int(g)
	}
	return r
}

// canBecome reports whether this process may act as others.
func canBecome() bool {
	if os.Geteuid() != 0 {
		return false
	}
	result := make(chan bool)
	go func() {
		u := user{uid: nobody, gid: nobody, groups: []uint32{nobody}, become: true}
		result <- u.do(func() error { return nil }) == nil
	}()
	return <-result
}
