// Package nfsjudge is only tests. They look at NFS servers from outside: by clients that others wrote, by
// hostile ones, and by our own through a proxy that loses messages. NFS-Ganesha, which others wrote too,
// stands beside ours, so that what the tests want is what a good server does.
package nfsjudge
