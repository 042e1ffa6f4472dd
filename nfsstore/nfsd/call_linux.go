package nfsd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"golang.org/x/sys/unix"
)

// A call is one request of a client.
type call struct {
	se   *session
	from netip.Addr
	cred credential
	args args
}

// A procedure is one of a program.
type procedure struct {
	// run reads the arguments and returns the result, or errGarbage. A call that failed by the rules
	// of the program has a result too.
	run func(*call) (io.WriterTo, error)
	// once keeps a call that is sent again from being carried out again.
	once bool
	// anybody may call it, who has an address of a client.
	anybody bool
}

// Numbers of procedures that more than their table knows.
const (
	procRead        = 6
	procReaddir     = 16
	procReaddirplus = 17

	procDump = 2 // of MOUNT
)

var nfsProcedures = []procedure{
	0:               {run: null, anybody: true},
	1:               {run: getattr},
	2:               {run: setattr, once: true},
	3:               {run: lookup},
	4:               {run: access},
	5:               {run: readlink},
	procRead:        {run: read},
	7:               {run: write, once: true},
	8:               {run: create, once: true},
	9:               {run: mkdir, once: true},
	10:              {run: symlink},
	11:              {run: mknod},
	12:              {run: remove, once: true},
	13:              {run: rmdir, once: true},
	14:              {run: rename, once: true},
	15:              {run: link, once: true},
	procReaddir:     {run: readdir},
	procReaddirplus: {run: readdirplus},
	18:              {run: fsstat},
	19:              {run: fsinfo},
	20:              {run: pathconf},
	21:              {run: commit},
}

var mountProcedures = []procedure{
	0:        {run: null, anybody: true},
	1:        {run: mnt},
	procDump: {run: dump},
	3:        {run: umnt},
	4:        {run: umntall},
	5:        {run: exportList, anybody: true},
}

// answer carries a call out. There is no reply when ctx ends before it is known.
func (se *session) answer(ctx context.Context, from netip.Addr, h *callHead, rec []byte, r *bytes.Reader) (reply, bool) {
	p, stat := find(h)
	if stat != rpcv2.SUCCESS {
		return refused(h.xid, stat), true
	}
	if stat := identify(h, p); stat != rpcv2.AUTH_OK {
		se.refuse(from, "a call without AUTH_SYS")
		return denied(h.xid, stat), true
	}
	c := &call{se: se, from: from, cred: h.cred, args: args{Reader: r, record: rec}}
	if !p.once {
		rep, _ := se.run(c, h.xid, p)
		return rep, true
	}
	head, replayed := se.replies.once(ctx, se.replies.key(from, h, rec), func() ([]byte, bool) {
		rep, keep := se.run(c, h.xid, p)
		return rep.head, keep
	})
	if replayed {
		se.count.replayed.Add(1)
	}
	return reply{head: head}, head != nil
}

// find returns the procedure of a call.
func find(h *callHead) (procedure, rpcv2.AcceptStat) {
	var ps []procedure
	switch h.prog {
	case nfsProgram:
		ps = nfsProcedures
	case mountProgram:
		ps = mountProcedures
	default:
		return procedure{}, rpcv2.PROG_UNAVAIL
	}
	switch {
	case h.vers != version:
		return procedure{}, rpcv2.PROG_MISMATCH
	case h.proc >= uint32(len(ps)):
		return procedure{}, rpcv2.PROC_UNAVAIL
	}
	return ps[h.proc], rpcv2.SUCCESS
}

// identify decides whether a caller has said enough about itself.
func identify(h *callHead, p procedure) rpcv2.AuthStat {
	switch {
	case h.flavor == rpcv2.AUTH_SYS && h.credErr != nil:
		return rpcv2.AUTH_BADCRED
	case h.flavor == rpcv2.AUTH_SYS, h.flavor == rpcv2.AUTH_NONE && p.anybody:
		return rpcv2.AUTH_OK
	case h.flavor == rpcv2.AUTH_NONE:
		return rpcv2.AUTH_TOOWEAK
	}
	return rpcv2.AUTH_REJECTEDCRED
}

// run calls a procedure. keep says whether the reply is the only one that the call may have.
func (se *session) run(c *call, xid uint32, p procedure) (rep reply, keep bool) {
	se.count.calls.Add(1)
	result, err := p.run(c)
	if errors.Is(err, errGarbage) {
		se.count.garbage.Add(1)
		return refused(xid, rpcv2.GARBAGE_ARGS), false
	}
	if err == nil {
		rep, err = accepted(xid, result)
	}
	if err != nil {
		se.log.Error("A call could not be answered.", "client", c.from.String(), "error", err)
		return refused(xid, rpcv2.SYSTEM_ERR), false
	}
	return rep, true
}

// nothing is the result of procedures that have none.
type nothing struct{}

func (nothing) WriteTo(io.Writer) (int64, error) { return 0, nil }

func null(*call) (io.WriterTo, error) { return nothing{}, nil }

// A target is an object that a caller wants something of.
type target struct {
	*object
	user user
}

// target finds the object of a handle, for this caller. Whoever gets one has to release it.
func (c *call) target(fh []byte) (target, error) {
	if o := c.se.files.get(fh); o != nil {
		u, err := c.user(o.ex)
		if err != nil {
			o.release()
			return target{}, err
		}
		return target{o, u}, nil
	}
	kind, id, file, ok := c.se.seals.open(fh)
	if !ok {
		c.se.count.badHandles.Add(1)
		return target{}, statusBadHandle
	}
	ex := c.se.exportOf(id)
	if ex == nil || kind != ex.files.kind() {
		return target{}, unix.ESTALE
	}
	u, err := c.user(ex)
	if err != nil {
		return target{}, err
	}
	fd, err := ex.files.open(file)
	if err != nil {
		return target{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return target{}, errors.Join(err, unix.Close(fd))
	}
	return target{c.se.files.add(ex, string(fh), fd, st.Mode&unix.S_IFMT), u}, nil
}

// exportOf returns the export with an id, nil if there is none any more.
func (se *session) exportOf(id exportID) *export {
	for _, ex := range se.exports {
		if ex.id == id {
			return ex
		}
	}
	return nil
}

// user returns who the caller is in an export.
func (c *call) user(ex *export) (user, error) {
	r := ex.rule(c.from)
	if r == nil {
		c.se.refuse(c.from, ex.Name)
		return user{}, unix.EACCES
	}
	return r.user(&c.cred, ex.ReadOnly, c.se.become), nil
}

// changing is target for what changes the object.
func (c *call) changing(fh []byte) (target, error) {
	t, err := c.target(fh)
	if err == nil && t.user.readOnly {
		return t, unix.EROFS
	}
	return t, err
}

// release gives the object back, if there is one.
func (t target) release() {
	if t.object != nil {
		t.object.release()
	}
}
