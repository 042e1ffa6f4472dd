// Package guest boots small machines with a Linux kernel of their own on this one: user-mode-linux,
// which needs neither a hypervisor nor modules of the host. They are real NFS clients and servers of the
// kernel, and their power can be cut: what a guest had not written to its disk is gone then.
//
// A [Lab] is a private network (10.77.0.0/24) that nothing outside can see. A [Guest] in it has this
// machine's own files as its root, read-only, memory at /mnt and /run, and perhaps a disk, which is a
// file of this machine. Programs are started in it as they are by os/exec ([Guest.Command]); any static
// program of this machine can be.
//
// Cutting the power loses the page cache of the guest's kernel. It does not show what the volatile cache
// of a real disk would lose: the host keeps everything that the guest wrote to the device.
//
// It takes root, /dev/net/tun and the program linux.uml ([Missing]). Only Linux has it.
package guest
