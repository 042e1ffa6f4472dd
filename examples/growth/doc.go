// The program growth lets a library grow from one machine without a database server to three that
// lose any one of them and go on, all on this computer: machines are network namespaces, the servers
// are the real ones. See the folder's README for what to try.
//
//	growth stage 3          set up stages 0 to 3, send it visitors, say what they see; until Ctrl-C
//	growth prove            the whole plan and every fault, under load; exit status 1 if a promise broke
//
// It needs Linux, root, and remora-server (--server), and leaves nothing behind.
package main
