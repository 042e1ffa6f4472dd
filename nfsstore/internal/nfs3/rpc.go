package nfs3

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// A credential is an AUTH_SYS identification, encoded (RFC 5531, appendix A).
type credential struct{ body []byte }

func newCredential(uid, gid uint32) (credential, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	ascii := make([]byte, 0, maxName)
	for i := 0; i < len(host) && len(ascii) < maxName; i++ {
		if host[i] < 0x80 {
			ascii = append(ascii, host[i])
		}
	}
	var b bytes.Buffer
	params := rpcv2.AuthsysParms{Machinename: string(ascii), Uid: uid, Gid: gid}
	if _, err := params.WriteTo(&b); err != nil {
		return credential{}, err
	}
	return credential{b.Bytes()}, nil
}

// encode makes the record of a call: one fragment.
func encode(xid uint32, p proc, cred credential, args io.WriterTo) ([]byte, error) {
	var b bytes.Buffer
	if s, ok := args.(interface{ GetEncodedSizeBytes() int }); ok {
		if size := s.GetEncodedSizeBytes() + 256 + len(cred.body); size >= minRecord {
			b = *bytes.NewBuffer(newRecord(size)[:0])
		} else {
			b.Grow(size)
		}
	}
	b.Write(make([]byte, 4))
	msg := rpcv2.RpcMsg{Xid: xid, Body: &rpcv2.RpcMsgBody_CALL{Cbody: rpcv2.CallBody{
		Rpcvers: 2, Prog: p.prog, Vers: p.vers, Proc: p.num,
		Cred: rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_SYS, Body: cred.body},
		Verf: rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_NONE},
	}}}
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, err
	}
	if _, err := args.WriteTo(&b); err != nil {
		return nil, err
	}
	frame := b.Bytes()
	binary.BigEndian.PutUint32(frame, lastFragment|uint32(len(frame)-4))
	return frame, nil
}

// replyHead is the length of the xid and the message type, by which a reply finds its call.
const replyHead = 8

// xidOf returns which call a record answers.
func xidOf(record []byte) (uint32, error) {
	if len(record) < replyHead {
		return 0, fmt.Errorf("%w: a record of %d bytes", ErrProtocol, len(record))
	}
	if t := rpcv2.MsgType(binary.BigEndian.Uint32(record[4:])); t != rpcv2.REPLY {
		return 0, fmt.Errorf("%w: a message of the type %d, not a reply", ErrProtocol, t)
	}
	return binary.BigEndian.Uint32(record), nil
}

// A refusal is what the RPC layer of the server answers in place of a result. The procedure was not
// carried out.
type refusal struct {
	what string
	err  error
}

func (r *refusal) Error() string { return r.what }
func (r *refusal) Unwrap() error { return r.err }

// resultOf returns the part of a reply that belongs to the procedure.
func resultOf(p proc, record []byte) ([]byte, error) {
	r := bytes.NewReader(record[replyHead:])
	body, _, err := rpcv2.ReadReplyBody(r)
	if err != nil {
		return nil, fmt.Errorf("%w: the head of a reply: %w", ErrProtocol, err)
	}
	switch b := body.(type) {
	case *rpcv2.ReplyBody_MSG_ACCEPTED:
		switch d := b.Areply.ReplyData; d.GetStat() {
		case rpcv2.SUCCESS:
			return record[len(record)-r.Len():], nil
		case rpcv2.PROG_UNAVAIL, rpcv2.PROG_MISMATCH, rpcv2.PROC_UNAVAIL:
			return nil, &refusal{fmt.Sprintf("the server does not offer the RPC program %d, version %d, procedure %d there (%s); enable NFS version 3, and check the ports",
				p.prog, p.vers, p.num, rpcv2.AcceptStat_name[d.GetStat()]), syscall.EPROTONOSUPPORT}
		default:
			return nil, &refusal{fmt.Sprintf("the server could not make sense of the request or failed (RPC status %d)", d.GetStat()), syscall.EIO}
		}
	case *rpcv2.ReplyBody_MSG_DENIED:
		if e, is := b.Rreply.(*rpcv2.RejectedReply_AUTH_ERROR); is {
			return nil, &refusal{fmt.Sprintf("the server does not accept the user's identification (%s); the export must allow sec=sys, and perhaps ports above 1023",
				rpcv2.AuthStat_name[e.Stat]), syscall.EACCES}
		}
		return nil, &refusal{"the server does not speak RPC version 2", syscall.EPROTONOSUPPORT}
	}
	return nil, fmt.Errorf("%w: the head of a reply", ErrProtocol)
}
