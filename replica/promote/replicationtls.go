package promote

import (
	"errors"
	"fmt"
	"strings"
)

// ReplicationTLS is how replicas connect to the primary over TLS. They always make sure that the
// certificate is the primary's: by who signed it, and by the host of its address. The zero value leaves
// the settings of each replica as they are; a server that was none connects without TLS.
type ReplicationTLS struct {
	// CA is the path, on the machine of each server, of a file in PEM with the certificates of who
	// signed those of the servers. "" is for the zero value alone.
	CA string
	// Cert and Key are paths of a replica's own certificate and key, if the primary asks for one
	// (REQUIRE X509). Both or none.
	Cert, Key string
}

func (c ReplicationTLS) check() error {
	switch {
	case c.CA == "" && c != (ReplicationTLS{}):
		return errors.New("ReplicationTLS.CA is missing: without it a replica cannot know whom it talks to")
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("ReplicationTLS needs both Cert and Key, or none of them")
	case strings.ContainsRune(c.CA+c.Cert+c.Key, 0):
		return errors.New("ReplicationTLS has a path with a zero byte")
	}
	return nil
}

// link is what a connection from a replica to a server is made with.
func (p *Promoter) link(to *server, retry int) string {
	c := p.config
	text := fmt.Sprintf("MASTER_HOST = %s, MASTER_PORT = %d, MASTER_USER = %s, MASTER_PASSWORD = %s, MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = %d",
		quote(to.host), to.port, quote(c.ReplicationUser), quote(c.ReplicationPassword), retry)
	if t := c.ReplicationTLS; t.CA != "" {
		text += fmt.Sprintf(", MASTER_SSL = 1, MASTER_SSL_VERIFY_SERVER_CERT = 1, MASTER_SSL_CA = %s, MASTER_SSL_CERT = %s, MASTER_SSL_KEY = %s", quote(t.CA), quote(t.Cert), quote(t.Key))
	}
	return text
}
