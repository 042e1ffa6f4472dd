package nfsd

import (
	"io"
	"math"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

func fsstat(c *call) (io.WriterTo, error) {
	t, st, err := c.about()
	defer t.release()
	var fs unix.Statfs_t
	if err == nil {
		err = unix.Fstatfs(t.ex.root, &fs)
	}
	if err == errGarbage {
		return nil, err
	}
	if err != nil {
		return &nfsv3.Fsstat3res_default{Status: c.status(err), Resfail: nfsv3.Fsstat3resfail{ObjAttributes: t.after()}}, nil
	}
	unit := uint64(fs.Frsize)
	if unit == 0 {
		unit = uint64(fs.Bsize)
	}
	return &nfsv3.Fsstat3res_NFS3_OK{Resok: nfsv3.Fsstat3resok{
		ObjAttributes: t.ex.postAttr(&st),
		Tbytes:        fs.Blocks * unit, Fbytes: fs.Bfree * unit, Abytes: fs.Bavail * unit,
		Tfiles: fs.Files, Ffiles: fs.Ffree, Afiles: fs.Ffree,
	}}, nil
}

// Properties of FSINFO (RFC 1813, section 3.3.19): hard links, the same limits everywhere, and times
// can be set. Symbolic links are not among them.
const properties = 0x1 | 0x8 | 0x10

func fsinfo(c *call) (io.WriterTo, error) {
	t, st, err := c.about()
	defer t.release()
	if err == errGarbage {
		return nil, err
	}
	if err != nil {
		return &nfsv3.Fsinfo3res_default{Status: c.status(err), Resfail: nfsv3.Fsinfo3resfail{ObjAttributes: t.after()}}, nil
	}
	return &nfsv3.Fsinfo3res_NFS3_OK{Resok: nfsv3.Fsinfo3resok{
		ObjAttributes: t.ex.postAttr(&st),
		Rtmax:         maxData, Rtpref: maxData, Rtmult: 4096, Wtmax: maxData, Wtpref: maxData, Wtmult: 4096, Dtpref: 64 << 10,
		Maxfilesize: math.MaxInt64, TimeDelta: nfsv3.Nfstime3{Nseconds: 1}, Properties: properties,
	}}, nil
}

func pathconf(c *call) (io.WriterTo, error) {
	t, st, err := c.about()
	defer t.release()
	if err == errGarbage {
		return nil, err
	}
	if err != nil {
		return &nfsv3.Pathconf3res_default{Status: c.status(err), Resfail: nfsv3.Pathconf3resfail{ObjAttributes: t.after()}}, nil
	}
	const links = 32000 // file systems have at least so many
	return &nfsv3.Pathconf3res_NFS3_OK{Resok: nfsv3.Pathconf3resok{
		ObjAttributes: t.ex.postAttr(&st), Linkmax: links, NameMax: maxName, NoTrunc: true, ChownRestricted: true, CasePreserving: true,
	}}, nil
}

// about is target for procedures whose argument is one handle.
func (c *call) about() (t target, st unix.Stat_t, err error) {
	fh := c.args.handle()
	if c.args.err != nil {
		return t, st, c.args.err
	}
	if t, err = c.target(fh); err == nil {
		st, err = t.stat()
	}
	return t, st, err
}
