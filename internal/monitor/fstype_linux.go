package monitor

import (
	"fmt"
	"io/fs"
	"syscall"
)

// magics are numbers of file systems from linux/magic.h that matter to a [Folder].
var magics = map[uint32]string{
	0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2",
	0x01021997: "9p", 0x65735546: "fuse", 0x00c36400: "ceph",
	0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs", 0x794c7630: "overlay",
}

// FilesystemOf returns the type of the file system that path is on, such as "ext4", or its number in
// hexadecimal when it is none that matters here.
func FilesystemOf(path string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "", &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	magic := uint32(s.Type)
	if name, ok := magics[magic]; ok {
		return name, nil
	}
	return fmt.Sprintf("%#x", magic), nil
}
