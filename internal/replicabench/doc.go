// The program replicabench measures what package replica costs, beside a plain *sql.DB on the same
// server, a wait for the position with each read, HAProxy and another library; how much of the reads of
// sessions goes to the primary; and how long writes stop when the primary is killed. All on real MariaDB,
// one primary and two replicas, in turns within one run.
//
//	replicabench                    everything; see docs/replica-performance.md
//	replicabench --only failover    what matches the pattern
//
// Servers run without privileges on free ports of the loopback address, in temporary folders, and end
// with it. What is not installed is named and left out. It needs mariadbd, and Linux.
package main
