// Package replicaproof shows on real MariaDB servers that package replica, with its promotions, keeps
// what it promises: in mode strict nothing that was acknowledged is lost, and no read of a session is
// stale, whichever one server fails.
//
// A round starts a primary with two replicas, writes and reads through a router, has one fault happen,
// lets the guard promote and the lost server come back, and then compares what clients were told with
// what the servers have. Judges that others wrote take part: Porcupine looks for an order of all
// operations that explains every answer, pt-table-checksum compares the copies.
//
// A proof that cannot fail proves nothing. So there are controls: the same load and the same checks, with
// one rule taken away, where the checks have to find what is wrong.
package replicaproof
