package diagnose_test

import (
	"context"
	"fmt"

	"github.com/sugarlabs/beamrider/replica/diagnose"
)

func ExampleDiagnose() {
	report, err := diagnose.Diagnose(context.Background(), diagnose.Config{Nodes: []diagnose.Node{
		{Name: "beamrider", DSN: "remora:secret@tcp(127.0.0.1:1)/remora"},
		{Name: "second", DSN: "remora:secret@tcp(127.0.0.1:2)/remora"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.Findings {
		fmt.Println(f.Level, f.Node, f.Code)
		fmt.Println("next:", f.Next)
	}
	fmt.Println("exit status", report.ExitCode())
	// Output:
	// unknown beamrider no_answer
	// next: On beamrider: systemctl status mariadb
	// unknown second no_answer
	// next: On second: systemctl status mariadb
	// exit status 4
}
