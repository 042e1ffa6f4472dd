// Package world builds a few machines on one: network namespaces on a bridge, each with its own
// address, /run, /srv and processes, so that a deployment of several machines can be set up, watched
// and broken on a laptop. It works on Linux, as root, and is empty elsewhere.
//
// # Nothing is left behind
//
// [Enter] starts the program again inside new mount, network and process-id namespaces; everything
// else happens there. All data is on a tmpfs of that mount namespace. The first process in it dies
// with the one outside, by the kernel's hand, and with the first process die all others; with the
// last process go the mounts, the interfaces and the data. So a kill -9 of the process a visitor
// started cleans up as well as Ctrl-C does.
//
// # Machines
//
// [New] makes the bridge and the machines. A [Machine] starts processes ([Machine.Start]), keeps
// their logs, can lose one ([Process.Kill9]) or its power ([Machine.PowerOff]), and dials from where
// it stands ([Machine.Dial]). Servers that take more than a command line, MariaDB, NFS-Ganesha,
// keepalived and remora-server, have files of their own here.
package world
