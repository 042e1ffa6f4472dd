package nfsd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// An index finds files by their numbers where the kernel does not: it knows the directories and the
// names of all. A number may be used again for another file, so a handle has the time of birth too.
type index struct {
	root    int
	rootIno uint64
	dev     uint64
	most    int

	mu    sync.RWMutex
	names map[uint64][]place // by number; most files have one
	count int
}

// A place is a name in a directory.
type place struct {
	dir  uint64
	name string
}

// maxDepth bounds the directories above a file.
const maxDepth = 256

// newIndex walks the directory. It refuses more than most files.
func newIndex(root int, dev uint64, most int) (*index, error) {
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return nil, err
	}
	ix := &index{root: root, rootIno: uint64(st.Ino), dev: dev, most: most, names: make(map[uint64][]place)}
	fd, err := openIn(root, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return ix, ix.walk(fd, ix.rootIno, 0)
}

func (ix *index) len() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.count
}

// walk notes what is in a directory, and below it. It closes fd.
func (ix *index) walk(fd int, dir uint64, depth int) (err error) {
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if depth == maxDepth {
		return fmt.Errorf("there are more than %d directories inside of each other", maxDepth)
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, buf) })
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		var dirs []dirent
		for rest := buf[:n]; len(rest) > 0; {
			typ := byte(unix.DT_UNKNOWN)
			if len(rest) > 18 {
				typ = rest[18]
			}
			var e dirent
			if e, rest, err = nextDirent(rest); err != nil {
				return err
			}
			if e.name == "." || e.name == ".." {
				continue
			}
			ix.seen(dir, e.ino, e.name)
			if typ == unix.DT_DIR || typ == unix.DT_UNKNOWN {
				dirs = append(dirs, e)
			}
		}
		if ix.len() > ix.most {
			return fmt.Errorf("there are more than %d files and directories, and the server may not use the handles of the kernel; let it run as root or with CAP_DAC_READ_SEARCH, on a file system that has them", ix.most)
		}
		for _, e := range dirs {
			sub, err := openIn(fd, e.name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
			switch {
			case err == nil:
				if err := ix.walk(sub, e.ino, depth+1); err != nil {
					return err
				}
			case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EACCES), errors.Is(err, unix.ELOOP):
				// It is gone, no directory, mounted, or not for this user.
			default:
				return err
			}
		}
	}
}

func (*index) kind() byte { return kindIndex }

func (ix *index) of(fd int, st *unix.Stat_t) ([]byte, error) {
	born, err := birth(fd)
	if err != nil {
		return nil, err
	}
	id := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(st.Ino))
	return binary.BigEndian.AppendUint64(id, born), nil
}

// birth is when a file was made, zero where the file system does not know.
func birth(fd int) (uint64, error) {
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &stx); err != nil {
		return 0, err
	}
	if stx.Mask&unix.STATX_BTIME == 0 {
		return 0, nil
	}
	return uint64(stx.Btime.Sec)*1e9 + uint64(stx.Btime.Nsec), nil
}

func (ix *index) open(id []byte) (int, error) {
	if len(id) != 16 {
		return -1, unix.ESTALE
	}
	ino, born := binary.BigEndian.Uint64(id), binary.BigEndian.Uint64(id[8:])
	if ino == ix.rootIno {
		return openIn(ix.root, ".", unix.O_PATH, 0)
	}
	ix.mu.RLock()
	places := slices.Clone(ix.names[ino])
	ix.mu.RUnlock()
	for _, p := range places {
		fd, err := ix.at(p, 0)
		if err != nil {
			continue // that name is gone; another may not be
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && uint64(st.Ino) == ino && uint64(st.Dev) == ix.dev {
			if b, err := birth(fd); err == nil && b == born {
				return fd, nil
			}
		}
		if err := unix.Close(fd); err != nil {
			return -1, err
		}
	}
	return -1, unix.ESTALE
}

// at opens what has a name, by way of all directories above.
func (ix *index) at(p place, depth int) (int, error) {
	dir := ix.root
	if p.dir != ix.rootIno {
		if depth == maxDepth {
			return -1, unix.ESTALE
		}
		ix.mu.RLock()
		above := slices.Clone(ix.names[p.dir])
		ix.mu.RUnlock()
		if len(above) == 0 {
			return -1, unix.ESTALE
		}
		var err error
		// A directory has one name; the last that was seen is the right one.
		if dir, err = ix.at(above[len(above)-1], depth+1); err != nil {
			return -1, err
		}
		defer unix.Close(dir) // it only names the directory
	}
	return openIn(dir, p.name, unix.O_PATH, 0)
}

func (ix *index) room() error {
	if ix.len() >= ix.most {
		return unix.ENOSPC
	}
	return nil
}

func (ix *index) seen(dir, ino uint64, name string) {
	p := place{dir, name}
	ix.mu.RLock()
	ps := ix.names[ino]
	known := len(ps) > 0 && ps[len(ps)-1] == p
	ix.mu.RUnlock()
	if known {
		return
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ps = ix.names[ino]
	if i := slices.Index(ps, p); i >= 0 {
		ps = slices.Delete(ps, i, i+1)
		ix.count--
	}
	ix.names[ino] = append(ps, p)
	ix.count++
}

func (ix *index) gone(dir, ino uint64, name string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ps := ix.names[ino]
	i := slices.Index(ps, place{dir, name})
	if i < 0 {
		return
	}
	ix.count--
	if len(ps) == 1 {
		delete(ix.names, ino)
		return
	}
	ix.names[ino] = slices.Delete(ps, i, i+1)
}
