// Package api answers programs that read the library: /api/v1, in JSON.
//
// Every answer is made of the [live.View] that is current when a request comes, and of nothing else:
// no request waits for a database. The whole interface is written down in an OpenAPI 3.1 document,
// served at /api/v1/openapi.json, and a test holds every answer against it.
//
// Lists are paged by place: "next" is the address of the next page, and stays good while activities
// come and go. Answers have a strong entity tag, may be kept for a minute, and may be read by pages
// of any site (CORS); nothing here depends on who asks. What is wrong with a request is said as a
// problem (RFC 9457), all of it at once; parameters that are not known are wrong, so that a mistyped
// one is noticed.
package api
