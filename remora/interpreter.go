package remora

// An Interpreter is what starts an activity. It decides, where nobody has said otherwise, which
// Sugar releases an activity can run on.
type Interpreter uint8

// The interpreters a bundle's exec line can name.
const (
	InterpreterUnknown Interpreter = iota
	InterpreterPython2             // sugar-activity, or the old "class" key
	InterpreterPython3             // sugar-activity3
	InterpreterWeb                 // sugar-activity-web
	InterpreterNative              // a program of the bundle's own, compiled
	InterpreterScript              // a program of the bundle's own, not compiled
)

var interpreterNames = [...]string{"", "python2", "python3", "web", "native", "script"}

// String returns the stable word, "" for unknown.
func (i Interpreter) String() string {
	if int(i) >= len(interpreterNames) {
		return ""
	}
	return interpreterNames[i]
}

// ParseInterpreter reads what [Interpreter.String] wrote.
func ParseInterpreter(s string) (Interpreter, error) {
	for i, name := range interpreterNames {
		if s == name {
			return Interpreter(i), nil
		}
	}
	return 0, Errorf(KindInvalid, "interpreter.unknown", "There is no interpreter %s; the known ones are python2, python3, web, native and script.", quote(s))
}

// Interpreters is a set of interpreters; its zero value is the empty set.
type Interpreters uint8

// InterpretersOf returns the set of the given interpreters.
func InterpretersOf(is ...Interpreter) (set Interpreters) {
	for _, i := range is {
		set |= 1 << i
	}
	return set
}

// Has reports whether i is in the set.
func (s Interpreters) Has(i Interpreter) bool { return s&(1<<i) != 0 }

// NewestSugar is the newest Sugar release this table knows. Where a protocol has no way to say
// "and later", an open maximum is written as this.
var NewestSugar = MustNumber("0.122")

// inferred holds the Sugar releases an interpreter is there on. Sources, in order: Sugar 0.82 is
// the first release of the activity format in use; sugar-toolkit-gtk3's setup dropped Python 2
// after 0.116; the release notes of 0.114 announce Python 3 activities; sugar-web and its
// launcher sugar-activity-web came with 0.100; a program of the bundle's own needs nothing but
// Sugar itself.
var inferred = map[Interpreter]Range{
	InterpreterPython2: {Min: MustNumber("0.82"), Max: MustNumber("0.116")},
	InterpreterPython3: {Min: MustNumber("0.114")},
	InterpreterWeb:     {Min: MustNumber("0.100")},
	InterpreterNative:  {Min: MustNumber("0.82")},
	InterpreterScript:  {Min: MustNumber("0.82")},
}

// InferRange returns the Sugar releases that have the interpreter; the open Range if unknown.
func InferRange(i Interpreter) Range { return inferred[i] }

// A RangeSource says how a Sugar range came to be known.
type RangeSource uint8

// The sources of a range.
const (
	RangeInferred RangeSource = iota // from the interpreter; shown as such in every reason
	RangeSet                         // a person said so
)

// String returns "inferred" or "set".
func (s RangeSource) String() string {
	if s == RangeSet {
		return "set"
	}
	return "inferred"
}

// ParseRangeSource reads what [RangeSource.String] wrote.
func ParseRangeSource(s string) (RangeSource, error) {
	switch s {
	case "inferred":
		return RangeInferred, nil
	case "set":
		return RangeSet, nil
	}
	return 0, Errorf(KindInvalid, "range.source", "There is no source of a Sugar range called %s; write inferred or set.", quote(s))
}
