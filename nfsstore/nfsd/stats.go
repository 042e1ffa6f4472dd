package nfsd

// Stats are numbers of a [Server] since [New]. Those that are not marked as of now only grow.
type Stats struct {
	Connections int64 // open now
	InFlight    int64 // calls being carried out now
	Accepted    int64 // connections
	Refused     int64 // connections and calls of addresses that may not use what they asked for
	Evicted     int64 // connections closed to make room for others
	Calls       int64 // carried out
	Failed      int64 // calls answered with an error of NFS or MOUNT
	Replayed    int64 // calls sent again and answered as the first time
	BadHandles  int64 // handles that were not made by this server
	Garbage     int64 // records that were no calls, or whose arguments made no sense
	Syncs       int64 // of files and directories to disk
	SyncFaults  int64 // of them failed; each changed the write verifier
}
