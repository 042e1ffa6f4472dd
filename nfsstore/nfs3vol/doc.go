// Package nfs3vol is a volume ([vol.Vol]) of an export of NFS version 3, which it reaches by itself:
// without a mount, and without any privilege beyond what the server demands.
//
// Its calls keep the deadlines of their contexts, and a server that is away is a state that ends when
// the server is back. It keeps a megabyte of each file that is written until the server has flushed
// it, and writes it again when the server was restarted in between. When the reply to an operation is
// lost it looks what became of it. Reads that come short of the size that the file had are errors and
// never an end.
//
// AUTH_SYS tells the server who is asking and proves nothing, and nothing is encrypted. So only
// private addresses are accepted: loopback, link-local, RFC 1918, RFC 4193 and RFC 6598.
package nfs3vol
