package remora_test

import (
	"fmt"

	"github.com/sugarlabs/beamrider/remora"
)

func ExampleParseNumber() {
	for _, s := range []string{"1.9", "1.10", "33~dfsg", "1.01"} {
		n, err := remora.ParseNumber(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(n, n.Compare(remora.MustNumber("1.10")))
	}
	// Output:
	// 1.9 -1
	// 1.10 0
	// 33~dfsg 1
	// The version number "1.01" has a segment with a leading zero. Write digits and dots such as 7 or 1.10, at most followed by - or ~ and letters.
}

func ExampleParseRange() {
	r, err := remora.ParseRange("0.98-0.116")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sugar := range []string{"0.96", "0.100", "0.118"} {
		fmt.Println(sugar, r.Contains(remora.MustNumber(sugar)))
	}
	_, err = remora.ParseRange("0.116-0.98")
	fmt.Println(err)
	// Output:
	// 0.96 false
	// 0.100 true
	// 0.118 false
	// The Sugar range "0.116-0.98" ends before it begins; swap the two.
}

func ExampleParseSugar() {
	for _, s := range []string{"0.98", "0.113", "0.121.3"} {
		n, err := remora.ParseSugar(s)
		fmt.Println(n, err)
	}
	// Output:
	// 0.98 <nil>
	// 0.114 <nil>
	// 0.122 <nil>
}

func ExampleSelect() {
	versions := []remora.Release{
		{ID: 1, Number: remora.MustNumber("9"), State: remora.StatePublished, Range: remora.InferRange(remora.InterpreterPython2)},
		{ID: 2, Number: remora.MustNumber("10"), State: remora.StatePublished, Range: remora.InferRange(remora.InterpreterPython3)},
	}
	for _, sugar := range []string{"0.98", "0.120", "0.80"} {
		best := remora.Select(remora.Client{Sugar: remora.MustNumber(sugar)}, versions)
		if best < 0 {
			fmt.Println(sugar, "nothing")
			continue
		}
		fmt.Println(sugar, versions[best].Number)
	}
	// Output:
	// 0.98 9
	// 0.120 10
	// 0.80 nothing
}

func ExampleExplain() {
	versions := []remora.Release{
		{ID: 1, Number: remora.MustNumber("8"), State: remora.StatePublished},
		{ID: 2, Number: remora.MustNumber("9"), State: remora.StatePublished},
		{ID: 3, Number: remora.MustNumber("10"), State: remora.StatePublished, Range: remora.InferRange(remora.InterpreterPython3)},
		{ID: 4, Number: remora.MustNumber("11"), State: remora.StateDisabled},
	}
	old := remora.Client{Sugar: remora.MustNumber("0.98")}
	for _, v := range remora.Explain(old, versions) {
		fmt.Println(v.Release.Number, v.Reason, v.Release.Range)
	}
	// Output:
	// 8 newer any
	// 9 offered any
	// 10 range 0.114-open
	// 11 state any
}

func ExampleNewText() {
	name := remora.NewText(map[string]string{"en": "Turtle Art", "es": "Tortugarte", "pt_BR": "Tartaruga"})
	for _, reader := range []string{"es-PE", "pt-BR", "fr"} {
		value, locale := name.In(reader, "en")
		fmt.Println(reader, value, locale)
	}
	// Output:
	// es-PE Tortugarte es
	// pt-BR Tartaruga pt-BR
	// fr Turtle Art en
}

func ExampleSnapshotBuilder() {
	var b remora.SnapshotBuilder
	for id, name := range map[int64]string{1: "Turtle", 2: "Paint", 3: "Log"} {
		b.Add(remora.Activity{
			ID: id, BundleID: "org.example." + name, Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", name),
			Versions: []remora.Version{{Release: remora.Release{ID: id, State: remora.StatePublished}}},
		})
	}
	snapshot := b.Snapshot(remora.Header{Position: remora.Position{Epoch: "first", Seq: 3}})

	fmt.Println(snapshot.ByBundleID("ORG.example.paint").ID, snapshot.Header().Seq)
	names := snapshot.Order(remora.SortName, "")
	for i := range names.Len() {
		name, _ := names.At(i).Name.In("en", "en")
		fmt.Println(name)
	}
	// Output:
	// 2 3
	// Log
	// Paint
	// Turtle
}
