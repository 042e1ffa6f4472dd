// Package peers is empty. Its folders hold NFS programs made of other people's libraries, by which the
// project judges its own client and server. They are a module of their own, so that nobody who uses the
// project gets those libraries with it.
package peers
