// Package testnfs gives tests a real NFS server: NFS-Ganesha with its own rpcbind in network and
// mount namespaces of its own, exporting a file system in memory. Everything dies with the test,
// however that ends.
//
// Two ports of the loopback interface lead to it; see [Server.URL]. Where NFS-Ganesha or the right
// to make namespaces is absent, tests are skipped or fail as package require decides; elsewhere than
// on Linux they are always skipped that way.
package testnfs
