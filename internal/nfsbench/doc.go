// The program nfsbench measures what package nfsstore costs: a store in a directory beside the bare
// system calls, our NFS client and server beside NFS-Ganesha and the libraries that others wrote, all
// on one disk, by turns within one run.
//
//	nfsbench                    everything; see docs/nfsstore-performance.md
//	nfsbench --only 'put 16 KiB'   what matches the pattern
//
// Servers run in namespaces of their own, where they have the usual ports, and end with it. What is not
// installed is named and left out. NFS-Ganesha needs root, the rest does not.
package main
