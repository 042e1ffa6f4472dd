package load

import "fmt"

// A Kind is a kind of request.
type Kind int

// The kinds of requests.
const (
	KindPage     Kind = iota // the first page, a list, or the page of an activity
	KindSearch               // a search for a word of an activity's name
	KindUpdate               // what Sugar's updater asks, for one activity
	KindBatch                // the same for several activities at once
	KindDownload             // a bundle, by its public address
	KindImport               // a new bundle, from a developer
	kinds
)

var kindNames = [kinds]string{"page", "search", "update", "batch", "download", "import"}

// String returns the name of k in reports.
func (k Kind) String() string {
	if k < 0 || k >= kinds {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames[k]
}

// MarshalText writes the name of k; a Kind that is none is an error.
func (k Kind) MarshalText() ([]byte, error) {
	if k < 0 || k >= kinds {
		return nil, fmt.Errorf("load: there is no kind of request %d", int(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("load: there is no kind of request %q", text)
}

// Rates are how many requests of each kind are sent in a second. 0 sends none; fractions are
// allowed, and [MaxRate] is the most for one kind.
type Rates struct{ Page, Search, Update, Batch, Download, Import float64 }

// MaxRate bounds each of the Rates, in requests per second: what one small machine can ask without
// measuring itself.
const MaxRate = 5000

func (r Rates) list() [kinds]float64 {
	return [kinds]float64{r.Page, r.Search, r.Update, r.Batch, r.Download, r.Import}
}

// A class is what an answer is; see the package's documentation.
type class int

const (
	classOK class = iota
	classBehind
	classRefused
	classUnknown
	classFailed
	classWrong
	classes
)

// An outcome is what became of one request.
type outcome struct {
	class  class
	status int    // of HTTP; 0: there was no answer
	asked  string // what for: method and path
	text   string // what is wrong, for people
}
