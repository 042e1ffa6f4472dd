// Package mariaurl reads the addresses of MariaDB servers as people write them in settings:
//
//	mysql://user:password@host:3306/database?name=beamrider&weight=2&zone=beamrider
//	mysql://user:password@host:3306/database?name=sunjammer&primary=never&reads=never
//	mysql://user:password@/database?socket=/run/mysqld/mysqld.sock
//
// An error never quotes the address, which holds a password.
package mariaurl

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// A Server is one address. Its texts hold the password: log none of them but Name and Host.
type Server struct {
	Name   string // by which people call it; the host where the address names none
	Host   string // without the port; the path of a socket
	Weight int    // its share of reads; 0 where none is named
	Zone   string // where it is, for readers that prefer what is near
	// NoPrimary and NoReads mark a server that is there to have a copy.
	NoPrimary, NoReads bool
	config             *mysql.Config
}

// Form is how an address looks, for messages.
const Form = "mysql://user:password@host:3306/database"

// Parse reads one address.
func Parse(raw string) (Server, error) {
	bad := func(why string) (Server, error) {
		return Server{}, fmt.Errorf("it %s; it should look like %s", why, Form)
	}
	if !strings.HasPrefix(raw, "mysql://") {
		return bad("does not begin with mysql://")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return bad("cannot be read")
	}
	q := u.Query()
	s := Server{Name: q.Get("name"), Host: u.Hostname(), config: mysql.NewConfig()}
	socket := q.Get("socket")
	switch {
	case s.Host == "" && socket == "":
		return bad("names no host")
	case strings.Trim(u.Path, "/") == "":
		return bad("names no database")
	case u.User == nil:
		return bad("names no user")
	}
	s.config.User = u.User.Username()
	s.config.Passwd, _ = u.User.Password()
	s.config.DBName = strings.Trim(u.Path, "/")
	s.config.Net, s.config.Addr = "tcp", u.Host
	if u.Port() == "" {
		s.config.Addr = u.Host + ":3306"
	}
	if socket != "" {
		s.config.Net, s.config.Addr, s.Host = "unix", socket, socket
	}
	if text := q.Get("weight"); text != "" {
		if s.Weight, err = strconv.Atoi(text); err != nil || s.Weight < 1 || s.Weight > 1000 {
			return bad("has a weight that is not a number from 1 to 1000")
		}
	}
	for name, never := range map[string]*bool{"primary": &s.NoPrimary, "reads": &s.NoReads} {
		switch q.Get(name) {
		case "":
		case "never":
			*never = true
		default:
			return bad(fmt.Sprintf("has a parameter %s that is not never", name))
		}
	}
	s.Zone = q.Get("zone")
	if s.Name == "" {
		s.Name = s.Host
	}
	for name := range q {
		if !slices.Contains([]string{"socket", "name", "weight", "zone", "primary", "reads"}, name) {
			return bad(fmt.Sprintf("has the parameter %q, which there is not", name))
		}
	}
	return s, nil
}

// DSN returns the address in the form of github.com/go-sql-driver/mysql.
func (s Server) DSN() string { return s.config.FormatDSN() }

// Account returns the account of the address.
func (s Server) Account() Account { return Account{s.config.User, s.config.Passwd} }

// Database returns the name of the database.
func (s Server) Database() string { return s.config.DBName }

// As returns the address of the same server for another account and no database.
func (s Server) As(a Account) string {
	c := s.config.Clone()
	c.User, c.Passwd, c.DBName = a.User, a.Password, ""
	return c.FormatDSN()
}

// HostPort returns the address of the server on the network: for a socket, its path and "".
func (s Server) HostPort() (host, port string) {
	if s.config.Net == "unix" {
		return s.config.Addr, ""
	}
	i := strings.LastIndexByte(s.config.Addr, ':')
	return s.Host, s.config.Addr[i+1:]
}

// An Account is a user of a server.
type Account struct{ User, Password string }

// ParseAccount reads user:password.
func ParseAccount(raw string) (Account, error) {
	user, password, ok := strings.Cut(raw, ":")
	if !ok || user == "" || password == "" {
		return Account{}, errors.New("it should look like user:password")
	}
	return Account{user, password}, nil
}
