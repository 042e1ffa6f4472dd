package edge

import (
	"fmt"
	"strings"
)

// A payload is bytes of a client that means harm, or does not know better, after what is published of
// such attacks: CL.TE, TE.CL and TE.TE, chunks and their extensions, line ends, obsolete folding, fields
// that are not, hosts and targets that name two servers. status is that of the first answer; 0: the
// payload is a request that has only one reading, and is answered by the backend or not at all.
type payload struct {
	name   string
	status int
	bytes  string
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// payloads are made of tables: each row of a table is a place where readers are known to differ.
var payloads = func() (list []payload) {
	add := func(name string, status int, bytes string) {
		list = append(list, payload{name, status, bytes})
	}
	post := func(fields, body string) string {
		return "POST /a HTTP/1.1\r\nHost: example.org\r\n" + fields + "\r\n" + body
	}
	chunks := "5\r\nhello\r\n0\r\n\r\n"
	// Content-Length and Transfer-Encoding together, in any disguise of the second.
	for i, te := range []string{
		"Transfer-Encoding: chunked", "transfer-encoding: chunked", "TRANSFER-ENCODING: CHUNKED", "Transfer-Encoding:chunked",
		"Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked ", "Transfer-Encoding: Chunked\t", "Transfer-Encoding:  chunked",
	} {
		add(fmt.Sprintf("CL.TE %d", i), 400, post("Content-Length: 6\r\n"+te+"\r\n", "0\r\n\r\nG"))
		add(fmt.Sprintf("TE.CL %d", i), 400, post(te+"\r\nContent-Length: 4\r\n", "5c\r\n"+smuggled))
	}
	for name, te := range map[string]string{
		"xchunked": "Transfer-Encoding: xchunked", "identity": "Transfer-Encoding: identity", "gzip, chunked": "Transfer-Encoding: gzip, chunked",
		"chunked, chunked": "Transfer-Encoding: chunked, chunked", "chunked, identity": "Transfer-Encoding: chunked, identity", "empty": "Transfer-Encoding:",
		"comma": "Transfer-Encoding: ,chunked", "comma after": "Transfer-Encoding: chunked,", "quoted": "Transfer-Encoding: \"chunked\"", "single quoted": "Transfer-Encoding: 'chunked'",
		"parameter": "Transfer-Encoding: chunked;q=1", "cow": "Transfer-Encoding: cow", "high byte": "Transfer-Encoding: chunked\xff", "high byte before": "Transfer-Encoding: \x85chunked",
		"long s": "Transfer-Encoding: chun\xe2\x84\xaaed", "inner space": "Transfer-Encoding: chu nked", "trailers": "Transfer-Encoding: trailers",
	} {
		add("TE "+name, 501, post(te+"\r\n", chunks))
		add("TE and CL "+name, 501, post("Content-Length: 15\r\n"+te+"\r\n", chunks))
	}
	for name, te := range map[string]string{
		"space before colon": "Transfer-Encoding : chunked", "tab before colon": "Transfer-Encoding\t: chunked", "space before": " Transfer-Encoding: chunked",
		"tab before": "\tTransfer-Encoding: chunked", "fold": "Transfer-Encoding:\r\n chunked", "fold with tab": "Transfer-Encoding:\r\n\tchunked", "fold after": "Transfer-Encoding: chunked\r\n x",
		"NUL in name": "Transfer-Encoding\x00: chunked", "NUL in value": "Transfer-Encoding: chunked\x00", "vertical tab": "Transfer-Encoding:\x0bchunked", "vertical tab after": "Transfer-Encoding: chunked\x0b",
		"form feed": "Transfer-Encoding:\x0cchunked", "DEL": "Transfer-Encoding: chunked\x7f", "bare CR before": "X: y\rTransfer-Encoding: chunked", "bare LF before": "X: y\nTransfer-Encoding: chunked",
		"bare CR after": "Transfer-Encoding: chunked\rX: y", "two": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "two, one identity": "Transfer-Encoding: identity\r\nTransfer-encoding: chunked",
		"colon missing": "Transfer-Encoding chunked", "name missing": ": chunked", "high byte in name": "Transfer-Encoding\xa0: chunked", "quote in name": "\"Transfer-Encoding\": chunked", "backspace": "Transfer-Encodin\x08g: chunked",
	} {
		status := 400
		if name == "two, one identity" || name == "fold" || name == "fold with tab" {
			status = 501 // the first line alone is refused
		}
		add("TE hidden: "+name, status, post(te+"\r\n", chunks))
		status = 400
		if name == "two, one identity" || name == "fold" || name == "fold with tab" {
			status = 501
		}
		add("TE hidden, with CL: "+name, status, post("Content-Length: 6\r\n"+te+"\r\n", "0\r\n\r\nG"))
	}
	for name, cl := range map[string]string{
		"two": "Content-Length: 5\r\nContent-Length: 6", "two alike": "Content-Length: 5\r\nContent-Length: 5", "list": "Content-Length: 5, 5", "list that differs": "Content-Length: 5,6", "plus": "Content-Length: +5",
		"minus": "Content-Length: -5", "minus nothing": "Content-Length: -0", "hex": "Content-Length: 0x3", "hex letters": "Content-Length: a", "octal": "Content-Length: 0o5", "underscore": "Content-Length: 1_0", "fraction": "Content-Length: 5.0", "exponent": "Content-Length: 5e0",
		"inner space": "Content-Length: 1 0", "empty": "Content-Length:", "blank": "Content-Length:   ", "quoted": "Content-Length: \"5\"", "overflow": "Content-Length: 18446744073709551621", "overflow of 63": "Content-Length: 9223372036854775813", "long": "Content-Length: " + strings.Repeat("0", 300) + "5",
		"NUL": "Content-Length: 5\x00", "letters after": "Content-Length: 5x", "semicolon": "Content-Length: 5;", "space before colon": "Content-Length : 5", "Arabic digit": "Content-Length: \xd9\xa5", "fold": "Content-Length: 5\r\n 0", "bare CR": "Content-Length: 5\r0", "bare LF": "Content-Length: 5\nX: y",
	} {
		add("CL "+name, 400, post(cl+"\r\n", "hello"))
	}
	for name, body := range map[string]string{
		"0x": "0x5\r\nhello\r\n0\r\n\r\n", "plus": "+5\r\nhello\r\n0\r\n\r\n", "minus": "-5\r\nhello\r\n0\r\n\r\n", "space before": " 5\r\nhello\r\n0\r\n\r\n", "space after": "5 \r\nhello\r\n0\r\n\r\n", "tab after": "5\t\r\nhello\r\n0\r\n\r\n",
		"no size": "\r\nhello\r\n0\r\n\r\n", "letters": "5g\r\nhello\r\n0\r\n\r\n", "underscore": "0_5\r\nhello\r\n0\r\n\r\n", "overflow": "10000000000000005\r\nhello\r\n0\r\n\r\n", "overflow to small": "FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n", "many zeros": strings.Repeat("0", 40) + "5\r\nhello\r\n0\r\n\r\n",
		"LF after size": "5\nhello\r\n0\r\n\r\n", "CR after size": "5\rhello\r\n0\r\n\r\n", "LF after data": "5\r\nhello\n0\r\n\r\n", "nothing after data": "5\r\nhello0\r\n\r\n", "CR after data": "5\r\nhello\r0\r\n\r\n", "two bytes after data": "5\r\nhelloXX0\r\n\r\n", "too much data": "4\r\nhello\r\n0\r\n\r\n",
		"LF in extension": "5;a\nb\r\nhello\r\n0\r\n\r\n", "CR in extension": "5;a\rb\r\nhello\r\n0\r\n\r\n", "NUL in extension": "5;a\x00\r\nhello\r\n0\r\n\r\n", "empty extension": "5;\r\nhello\r\n0\r\n\r\n", "space in extension": "5; a=b\r\nhello\r\n0\r\n\r\n", "space before extension": "5 ;a\r\nhello\r\n0\r\n\r\n",
		"open quote": "5;a=\"b\r\nhello\r\n0\r\n\r\n", "after quote": "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", "no value": "5;a=\r\nhello\r\n0\r\n\r\n", "two signs": "5;a==b\r\nhello\r\n0\r\n\r\n", "long extension": "5;" + strings.Repeat("a", 2000) + "\r\nhello\r\n0\r\n\r\n", "size in quotes": "5;a=\"\r\nhello\r\n0\r\n\r\n\"\r\n",
		"CL in trailer": "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", "TE in trailer": "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "Host in trailer": "5\r\nhello\r\n0\r\nHost: x\r\n\r\n", "folded trailer": "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n", "LF in trailer": "5\r\nhello\r\n0\r\nA: b\n\r\n", "LF at the end": "5\r\nhello\r\n0\r\n\n", "trailer without colon": "5\r\nhello\r\n0\r\n" + smuggled,
		"space in trailer": "5\r\nhello\r\n0\r\nA : b\r\n\r\n", "LF after last": "5\r\nhello\r\n0\n\r\n", "last with sign": "5\r\nhello\r\n-0\r\n\r\n", "last with x": "5\r\nhello\r\n0x0\r\n\r\n",
	} {
		add("chunk "+name, 400, post("Transfer-Encoding: chunked\r\n", body))
	}
	add("chunk long trailer", 431, post("Transfer-Encoding: chunked\r\n", "0\r\nA: "+strings.Repeat("a", 4000)+"\r\n\r\n"))
	for name, head := range map[string]string{
		"LF lines": "GET /a HTTP/1.1\nHost: x\n\n", "LF after request line": "GET /a HTTP/1.1\nHost: x\r\n\r\n", "LF after field": "GET /a HTTP/1.1\r\nHost: x\n\r\n", "LF at the end": "GET /a HTTP/1.1\r\nHost: x\r\n\n", "CR after request line": "GET /a HTTP/1.1\rHost: x\r\n\r\n",
		"CR CR LF": "GET /a HTTP/1.1\r\r\nHost: x\r\n\r\n", "CR before the end": "GET /a HTTP/1.1\r\nHost: x\r\n\rX: y\r\n\r\n", "two empty lines before": "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "LF before": "\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "space before": " GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
		"two spaces": "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", "two spaces before version": "GET /a  HTTP/1.1\r\nHost: x\r\n\r\n", "tab": "GET\t/a\tHTTP/1.1\r\nHost: x\r\n\r\n", "space after version": "GET /a HTTP/1.1 \r\nHost: x\r\n\r\n", "no version": "GET /a\r\nHost: x\r\n\r\n", "lower case version": "GET /a http/1.1\r\nHost: x\r\n\r\n",
		"two lines in one": "GET /a HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n", "target with NUL": "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", "target with high byte": "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", "target with fragment": "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "target without slash": "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "asterisk": "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "asterisk and more": "OPTIONS */a HTTP/1.1\r\nHost: x\r\n\r\n",
		"other scheme": "GET ftp://x/a HTTP/1.1\r\nHost: x\r\n\r\n", "other host": "GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n", "user in target": "GET http://x@y/a HTTP/1.1\r\nHost: y\r\n\r\n", "two hosts": "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "two hosts alike": "GET /a HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", "no host": "GET /a HTTP/1.1\r\nX: y\r\n\r\n", "empty host": "GET /a HTTP/1.1\r\nHost:\r\n\r\n",
		"list of hosts": "GET /a HTTP/1.1\r\nHost: x, y\r\n\r\n", "host with path": "GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n", "host with user": "GET /a HTTP/1.1\r\nHost: x@y\r\n\r\n", "host with space": "GET /a HTTP/1.1\r\nHost: x y\r\n\r\n", "host with percent": "GET /a HTTP/1.1\r\nHost: x%00y\r\n\r\n", "host with port 99999": "GET /a HTTP/1.1\r\nHost: x:99999\r\n\r\n", "host with letters for port": "GET /a HTTP/1.1\r\nHost: x:80a\r\n\r\n", "host with open bracket": "GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n", "host in brackets": "GET /a HTTP/1.1\r\nHost: [x]\r\n\r\n", "long host": "GET /a HTTP/1.1\r\nHost: " + strings.Repeat("x", 300) + "\r\n\r\n",
		"host hidden by space": "GET /a HTTP/1.1\r\nHost : y\r\nHost: x\r\n\r\n", "host behind fold": "GET /a HTTP/1.1\r\n Host: y\r\nHost: x\r\n\r\n", "empty name": "GET /a HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", "no colon": "GET /a HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n", "request in field": "GET /a HTTP/1.1\r\nHost: x\r\nGET /b HTTP/1.1\r\n\r\n", "control in value": "GET /a HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n", "escape in value": "GET /a HTTP/1.1\r\nHost: x\r\nA: \x1b[2J\r\n\r\n", "method with colon": "GE:T /a HTTP/1.1\r\nHost: x\r\n\r\n", "long method": strings.Repeat("A", 100) + " /a HTTP/1.1\r\nHost: x\r\n\r\n", "quote in target": "GET /\"a HTTP/1.1\r\nHost: x\r\n\r\n", "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	} {
		add("head "+name, 400, head)
	}
	add("HTTP/1.0 with TE", 400, "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks)
	add("HTTP/1.0 with TE and keep-alive", 400, "POST /a HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"+chunks)
	for name, v := range map[string]string{"2.0": "HTTP/2.0", "0.9": "HTTP/0.9", "1.2": "HTTP/1.2", "3": "HTTP/3.0"} {
		add("version "+name, 505, "GET /a "+v+"\r\nHost: x\r\n\r\n")
	}
	add("preface of HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	add("CONNECT", 501, "CONNECT y:443 HTTP/1.1\r\nHost: y:443\r\n\r\n"+smuggled)
	add("CONNECT to a path", 501, "CONNECT /a HTTP/1.1\r\nHost: x\r\n\r\n")
	add("long target", 414, "GET /"+strings.Repeat("a", 40<<10)+" HTTP/1.1\r\nHost: x\r\n\r\n")
	add("long field", 431, "GET /a HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("a", 40<<10)+"\r\n\r\n")
	add("long name", 431, "GET /a HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("a", 40<<10)+": b\r\n\r\n")
	add("many fields", 431, "GET /a HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("A: b\r\n", 200)+"\r\n")
	// One reading only, though others have been found to see another.
	add("CL.0", 0, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n"+smuggled)
	add("GET with a body", 0, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n"+smuggled)
	add("HEAD with a body", 0, "HEAD /a HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n"+smuggled)
	add("OPTIONS with a body", 0, "OPTIONS /a HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n"+smuggled)
	add("request in chunks", 0, post("Transfer-Encoding: chunked\r\n", "23\r\n"+smuggled+"\r\n0\r\n\r\n"))
	add("Content_Length", 0, post("Content_Length: 35\r\nContent-Length: 5\r\n", "hello"))
	add("Transfer_Encoding", 0, post("Transfer_Encoding: chunked\r\nContent-Length: 15\r\n", chunks))
	add("Connection: Content-Length", 0, post("Connection: close, Content-Length\r\nContent-Length: 5\r\n", "hello"))
	add("Connection: Transfer-Encoding", 0, post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", chunks))
	add("X-Transfer-Encoding", 0, post("X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "hello"))
	add("Expect", 0, post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"))
	add("upgrade to h2c", 0, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	return list
}()
