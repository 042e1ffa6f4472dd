package nfsd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

// A handle, as clients have it:
//
//	1 byte   how the file is found: kindKernel, kindIndex
//	8 bytes  which export, by its name and directory
//	n bytes  which file of it, as handles.of gave it
//	16 bytes the seal: HMAC-SHA256 of all before, cut
const (
	kindKernel = 1
	kindIndex  = 2

	exportIDSize = 8
	sealSize     = 16
	maxFileID    = nfsv3.NFS3_FHSIZE - 1 - exportIDSize - sealSize
)

type exportID [exportIDSize]byte

// idOf tells exports apart, and an export from what it was when its name stood for another directory.
func idOf(name string, ino, born uint64) exportID {
	b := binary.BigEndian.AppendUint64([]byte("export "+name+"\x00"), ino)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(b, born))
	return exportID(sum[:exportIDSize])
}

// A sealer makes and checks seals.
type sealer struct {
	key  []byte
	pool sync.Pool // of hash.Hash
}

func newSealer(key []byte) *sealer {
	s := &sealer{key: key}
	s.pool.New = func() any { return hmac.New(sha256.New, s.key) }
	return s
}

// seal appends the seal of b to it.
func (s *sealer) seal(b []byte) []byte {
	h := s.pool.Get().(hash.Hash)
	defer s.pool.Put(h)
	h.Reset()
	h.Write(b) // it never fails
	var sum [sha256.Size]byte
	return append(b, h.Sum(sum[:0])[:sealSize]...)
}

// open returns what fh names, false if it was not made here.
func (s *sealer) open(fh []byte) (kind byte, ex exportID, id []byte, ok bool) {
	if len(fh) <= 1+exportIDSize+sealSize || len(fh) > nfsv3.NFS3_FHSIZE {
		return 0, ex, nil, false
	}
	body := fh[:len(fh)-sealSize]
	var room [nfsv3.NFS3_FHSIZE + sealSize]byte
	if !hmac.Equal(s.seal(append(room[:0], body...)), fh) {
		return 0, ex, nil, false
	}
	return body[0], exportID(body[1:]), body[1+exportIDSize:], true
}

// handles finds files again by what they were called before, also after a restart.
type handles interface {
	kind() byte
	// of names the open file for good.
	of(fd int, st *unix.Stat_t) ([]byte, error)
	// open returns a file descriptor that only names the file (O_PATH).
	open(id []byte) (fd int, err error)
	// room returns an error when no more files can be found again.
	room() error
	// seen and gone tell of names that files have, or had, in a directory.
	seen(dir, ino uint64, name string)
	gone(dir, ino uint64, name string)
}

// kernelHandles are made and opened by the kernel, which knows all files by them.
type kernelHandles struct {
	root  int
	mount int // the number of what is mounted there
	dev   uint64
	known known
}

func newKernelHandles(root int, dev uint64) (*kernelHandles, error) {
	_, mount, err := unix.NameToHandleAt(root, "", unix.AT_EMPTY_PATH)
	return &kernelHandles{root: root, mount: mount, dev: dev}, err
}

func (*kernelHandles) kind() byte { return kindKernel }

func (*kernelHandles) of(fd int, _ *unix.Stat_t) ([]byte, error) {
	h, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, err
	}
	return kernelID(&h)
}

func kernelID(h *unix.FileHandle) ([]byte, error) {
	if 4+h.Size() > maxFileID {
		return nil, unix.EOVERFLOW
	}
	id := binary.BigEndian.AppendUint32(make([]byte, 0, 4+h.Size()), uint32(h.Type()))
	return append(id, h.Bytes()...), nil
}

func (k *kernelHandles) open(id []byte) (int, error) {
	if len(id) < 4 {
		return -1, unix.ESTALE
	}
	h := unix.NewFileHandle(int32(binary.BigEndian.Uint32(id)), id[4:])
	for {
		fd, err := unix.OpenByHandleAt(k.root, h, unix.O_PATH|unix.O_CLOEXEC)
		switch err {
		case unix.EINTR:
			continue
		case unix.ENOENT, unix.EINVAL: // nobody has that number any more
			err = unix.ESTALE
		}
		return fd, err
	}
}

func (*kernelHandles) room() error                 { return nil }
func (*kernelHandles) seen(uint64, uint64, string) {}
func (*kernelHandles) gone(uint64, uint64, string) {}
