package nfs3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

const portmapPort = 111

// mount asks for the handle of the export.
func (c *Client) mount(ctx context.Context) error {
	h, status, err := c.mnt(ctx)
	switch {
	case err != nil:
		return c.fail(procMnt.op, "", c.rpc.noAnswer(ctx, err))
	case status != 0:
		return &Error{Op: procMnt.op, Export: c.where, Status: status}
	}
	c.root.Store(&h)
	return nil
}

func (c *Client) mnt(ctx context.Context) (h handle, status Status, err error) {
	port, err := c.port(ctx, c.cfg.MountPort, procMnt)
	if err != nil {
		return "", 0, err
	}
	body, err := c.once(ctx, port, procMnt, opaque(c.cfg.Export))
	if err != nil {
		return "", 0, err
	}
	res, _, err := mount.ReadMountres3(bytes.NewReader(body))
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if ok, is := res.(*mount.Mountres3_MNT3_OK); is {
		if len(ok.Mountinfo.Fhandle) == 0 {
			return "", 0, fmt.Errorf("%w: an empty handle", ErrProtocol)
		}
		return handle(ok.Mountinfo.Fhandle), 0, nil
	}
	return "", Status(res.GetFhsStatus()), nil
}

// dialNFS connects to the NFS server, whose port may have changed with its restart.
func (c *Client) dialNFS(ctx context.Context) (net.Conn, error) {
	port, err := c.port(ctx, c.cfg.NFSPort, procGetattr)
	if err != nil {
		return nil, err
	}
	return c.dialPort(ctx, port)
}

// port returns the port of a program: as configured, or as the portmapper says.
func (c *Client) port(ctx context.Context, configured int, p proc) (int, error) {
	if configured != 0 {
		return configured, nil
	}
	const tcp = 6
	body, err := c.once(ctx, portmapPort, procGetport, words{p.prog, p.vers, tcp, 0})
	if err != nil {
		return 0, fmt.Errorf("the portmapper was asked for RPC program %d (give the ports in the address of the export to do without it): %w", p.prog, err)
	}
	port, err := readUint32(bytes.NewReader(body))
	switch {
	case err != nil || port > 65535:
		return 0, fmt.Errorf("%w: the portmapper gave no port", ErrProtocol)
	case port == 0:
		// Which may also be because the server is just starting.
		return 0, fmt.Errorf("%w: its portmapper does not know RPC program %d version %d over TCP; start the server and enable NFS version 3", ErrNoAnswer, p.prog, p.vers)
	}
	return int(port), nil
}

// once makes one call over a connection of its own.
func (c *Client) once(ctx context.Context, port int, p proc, args io.WriterTo) ([]byte, error) {
	nc, err := c.dialPort(ctx, port)
	if err != nil {
		return nil, err
	}
	conn := newConn(nc, c.cfg.Timeout, 1)
	defer conn.end(ErrClosed)
	xid := rand.Uint32()
	frame, err := encode(xid, p, c.rpc.cred, args)
	if err != nil {
		return nil, err
	}
	record, _, err := conn.roundTrip(ctx, xid, frame)
	if err != nil {
		return nil, err
	}
	return resultOf(p, record)
}

// reservedPorts is how many ports below 1024 are tried.
const reservedPorts = 16

// dialPort connects, from a port below 1024 when the system lets us: exports that are "secure"
// demand one.
func (c *Client) dialPort(ctx context.Context, port int) (net.Conn, error) {
	address := net.JoinHostPort(c.cfg.Host, strconv.Itoa(port))
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	for range reservedPorts {
		from := d
		from.LocalAddr = &net.TCPAddr{Port: 512 + rand.IntN(512)}
		nc, err := from.DialContext(ctx, "tcp", address)
		switch {
		case err == nil:
			return nc, nil
		case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL):
			continue
		case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		default:
			return nil, err
		}
		break
	}
	return d.DialContext(ctx, "tcp", address)
}

// words are numbers.
type words []uint32

func (ws words) WriteTo(w io.Writer) (n int64, err error) {
	for _, v := range ws {
		m, err := runtime.WriteUnsignedInt(w, v)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// opaque is a string of any bytes; the generated code takes only ASCII.
type opaque string

func (o opaque) WriteTo(w io.Writer) (int64, error) {
	return runtime.WriteVariableLengthOpaque(w, mount.MNTPATHLEN, []byte(o))
}
