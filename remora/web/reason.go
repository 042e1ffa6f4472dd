package web

import (
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// interpreter names what starts a version, "" if unknown.
func (l *tongue) interpreter(i remora.Interpreter) string {
	switch i {
	case remora.InterpreterPython2:
		return l.t("Python 2")
	case remora.InterpreterPython3:
		return l.t("Python 3")
	case remora.InterpreterWeb:
		return l.t("the web runtime")
	case remora.InterpreterNative:
		return l.t("a program of its own")
	case remora.InterpreterScript:
		return l.t("a script of its own")
	}
	return ""
}

// sugarRange says for which Sugar releases a version is.
func (l *tongue) sugarRange(r remora.Range) string {
	switch {
	case r.Min.IsZero() && r.Max.IsZero():
		return l.t("every Sugar")
	case r.Max.IsZero():
		return l.t("Sugar %s or later", r.Min.String())
	case r.Min.IsZero():
		return l.t("Sugar %s or earlier", r.Max.String())
	case r.Min.Compare(r.Max) == 0:
		return l.t("Sugar %s only", r.Min.String())
	}
	return l.t("Sugar %s to %s", r.Min.String(), r.Max.String())
}

// inferred says where a range comes from that nobody has set, "" for one that a person has.
func (l *tongue) inferred(r *remora.Release) string {
	if r.RangeSource != remora.RangeInferred {
		return ""
	}
	if by := l.interpreter(r.Interpreter); by != "" {
		return l.t("inferred: it is started by %s", by)
	}
	return l.t("inferred: the bundle does not say")
}

// verdict says in one sentence what became of a version for this reader.
func (l *tongue) verdict(v *remora.Verdict) string {
	r := &v.Release
	switch v.Reason {
	case remora.ReasonOffered:
		if v.Client.Sugar.IsZero() {
			return l.t("This is the one you are offered.")
		}
		return l.t("This is the newest for your Sugar %s.", v.Client.Sugar.String())
	case remora.ReasonNewer:
		if v.Client.Sugar.IsZero() {
			return l.t("There is a newer one.")
		}
		return l.t("It runs on your Sugar %s, but a newer one does too.", v.Client.Sugar.String())
	case remora.ReasonState:
		return l.t("It waits for review. Only those who ask for experimental versions are offered it.")
	case remora.ReasonChannel:
		return l.t("It is experimental. Only those who ask for experimental versions are offered it.")
	case remora.ReasonPin:
		return l.t("Another version was asked for.")
	case remora.ReasonRange:
		return l.t("It is for %s, and you have Sugar %s.", l.sugarRange(r.Range), v.Client.Sugar.String())
	case remora.ReasonInterpreter:
		return l.t("It is started by %s, which your Sugar does not have.", l.interpreter(r.Interpreter))
	case remora.ReasonArch:
		return l.t("Parts of it are made for %s processors, and yours is another.", strings.Join(r.Archs, ", "))
	}
	return ""
}

// overtaken says why a version that is newer than the one offered is not the one.
func (l *tongue) overtaken(v *remora.Verdict) string {
	number := v.Release.Number.String()
	switch v.Reason {
	case remora.ReasonState:
		return l.t("Version %s is newer, but waits for review.", number)
	case remora.ReasonChannel:
		return l.t("Version %s is newer, but experimental: it is for those who like to try things out.", number)
	case remora.ReasonRange:
		return l.t("Version %s is newer, but it is for %s, and you have Sugar %s.", number, l.sugarRange(v.Release.Range), v.Client.Sugar.String())
	case remora.ReasonInterpreter:
		return l.t("Version %s is newer, but it is started by %s, which your Sugar does not have.", number, l.interpreter(v.Release.Interpreter))
	case remora.ReasonArch:
		return l.t("Version %s is newer, but parts of it are made for %s processors only.", number, strings.Join(v.Release.Archs, ", "))
	}
	return ""
}
