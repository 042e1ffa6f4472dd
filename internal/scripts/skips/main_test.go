package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const passing = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"    a_test.go:5: a note\n"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"--- PASS: TestGood (0.00s)\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestSkipped"}
{"Action":"output","Package":"m/a","Test":"TestSkipped","Output":"=== RUN   TestSkipped\n"}
{"Action":"output","Package":"m/a","Test":"TestSkipped","Output":"    a_test.go:9: the program x is not installed: none\n"}
{"Action":"output","Package":"m/a","Test":"TestSkipped","Output":"--- SKIP: TestSkipped (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestSkipped","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestSilent"}
{"Action":"skip","Package":"m/a","Test":"TestSilent","Elapsed":0}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a","Elapsed":0.1}
{"Action":"start","Package":"m/none"}
{"Action":"output","Package":"m/none","Output":"?   \tm/none\t[no test files]\n"}
{"Action":"skip","Package":"m/none","Elapsed":0}
`

const passingReport = `    skipped: TestSkipped: the program x is not installed: none
    skipped: TestSilent: no reason
ok  	m/a	0.1s
?   	m/none	[no test files]
`

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		ok       bool
	}{
		"nothing": {ok: true},
		"passing": {in: passing, want: passingReport, ok: true},
		"failing": {in: `{"Action":"start","Package":"m/b"}
{"Action":"run","Package":"m/b","Test":"TestBad"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"    b_test.go:7: wrong\n"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad"}
{"Action":"output","Package":"m/b","Output":"FAIL\n"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b\t0.1s\n"}
{"Action":"fail","Package":"m/b"}
`, want: "    b_test.go:7: wrong\n--- FAIL: TestBad (0.00s)\nFAIL\nFAIL\tm/b\t0.1s\n"},
		"build": {in: `{"ImportPath":"m/c","Action":"build-output","Output":"c.go:1: syntax error\n"}
{"ImportPath":"m/c","Action":"build-fail"}
{"Action":"start","Package":"m/c"}
{"Action":"output","Package":"m/c","Output":"FAIL\tm/c [build failed]\n"}
{"Action":"fail","Package":"m/c","Elapsed":0,"FailedBuild":"m/c"}
`, want: "c.go:1: syntax error\nFAIL\tm/c [build failed]\n"},
		"cut":        {in: `{"Action":"start","Package":"m/d"}` + "\n", want: "m/d  did not end\n"},
		"other text": {in: "warning\n" + passing, want: "warning\n" + passingReport, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			ok, err := report(strings.NewReader(c.in), &b)
			if err != nil || ok != c.ok {
				t.Errorf("report = %v, %v, want %v", ok, err, c.ok)
			}
			if diff := cmp.Diff(c.want, b.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLongOutputIsCutAtItsBeginning(t *testing.T) {
	var in strings.Builder
	in.WriteString(`{"Action":"run","Package":"m","Test":"T"}` + "\n")
	line := `{"Action":"output","Package":"m","Test":"T","Output":"` + strings.Repeat("x", 1000) + `\n"}` + "\n"
	for range 3 * maxOutput / 1000 {
		in.WriteString(line)
	}
	in.WriteString(`{"Action":"output","Package":"m","Test":"T","Output":"the end\n"}` + "\n" + `{"Action":"fail","Package":"m","Test":"T"}` + "\n")
	var b strings.Builder
	ok, err := report(strings.NewReader(in.String()), &b)
	if ok || err != nil {
		t.Errorf("report = %v, %v", ok, err)
	}
	if got := b.String(); len(got) > maxOutput || !strings.HasSuffix(got, "the end\n") {
		t.Errorf("%d bytes are printed", len(got))
	}
}
