// Package web serves the pages of the library that people read: home, browse, search, an activity
// and its versions, collections, and what there is to say about the library itself. With them come
// what their programs read: feeds (Atom, RSS), the description of the search (OpenSearch) and its
// suggestions, the site map and robots.txt.
//
// A [Handler] renders whole pages on the server from the [live.View] that is current when a request
// comes, and one page never mixes two states of the catalog. What a page shows depends on its
// address, on the View and, where an offer is shown, on the Sugar release that the User-Agent names,
// and on nothing else, so that every cache on the way may keep it.
//
// Two kinds of page show something more, for which the View is too small: what is in the bundle of
// a version ([Reports]), and downloads by day ([Statistics]). They wait for a database, two seconds
// at most, and are whole without it. No other page does.
//
// # Addresses
//
// "/" chooses a language (?lang, the cookie of an earlier choice, Accept-Language) and goes to
// "/{lang}/". Below that the language is fixed. Lists are paged by place rather than by number, so
// that a reader who goes through a whole list sees everything once although activities come and go.
//
// # What a page never does
//
// There is no JavaScript, no inline style, and no request to another site; the policy in every
// answer (Content-Security-Policy) makes browsers refuse all three. Texts of activities are shown as
// text whatever they contain, and links they carry are followed only when http or https.
//
// # In your own words
//
// What an administrator has to say comes in by [Config]: who runs the library, how to reach them,
// and the pages about, privacy and contact as text files ([ReadTexts]). Without them the pages say
// what is true of every library.
//
// # Languages
//
// The languages are the files locales/*.po: adding one adds a language. Their message ids are the
// English sentences. messages.pot and en.po are written by the extractor; see internal/xgettext.
package web

//go:generate go run ../../internal/xgettext/cmd/xgettext -dir .
