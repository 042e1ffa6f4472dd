// Package heartbeat lets backends tell balancers how they are: how busy, and whether they are about to
// end. A balancer learns of an end before it could notice it, and a backend that is busy with something
// else than requests gets fewer of them.
//
// A [Sender] in the backend's process sends a small signed message each second to each balancer; a
// [Receiver], an [http.Handler], takes them there and reports them to a balance.Balancer. That none come
// is no failure: who sends nothing is judged by health checks alone.
//
// A message is JSON in the body of a POST, signed by HMAC-SHA256 (RFC 2104) in the field
// Heartbeat-Signature, in hexadecimal, with a key that both sides know. It has the time at which it was made and counts for
// half a minute; one that is not newer than the last of that backend is refused, so that nobody
// can send an old one again. Whoever has the key can speak for every backend.
package heartbeat
