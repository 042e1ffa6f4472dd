package monitor_test

import (
	"context"
	"fmt"
	"os"

	"github.com/sugarlabs/beamrider/internal/monitor"
)

func ExampleNew() {
	m, err := monitor.New(monitor.Config{Checks: []monitor.Check{
		{Name: "web", Run: func(context.Context) monitor.Finding {
			return monitor.Finding{Level: monitor.OK, Summary: "It answers."}
		}},
		{Name: "backup", Run: func(context.Context) monitor.Finding {
			return monitor.Finding{Level: monitor.Warn, Summary: "The last backup is 9 days old.", Next: "remora-server backup /srv/backup"}
		}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	report := m.Round(context.Background())
	if err := report.Text(os.Stdout, nil); err != nil {
		fmt.Println(err)
	}
	fmt.Println("exit status", report.ExitCode())
	// Output:
	// WARN     backup  The last backup is 9 days old.
	//                  → remora-server backup /srv/backup
	// OK       web     It answers.
	// 1 warn, 1 ok.
	// exit status 1
}

func ExampleNewBeats() {
	beats := monitor.NewBeats()
	check := monitor.Clocks("clocks", beats, 0)
	fmt.Println(check.Run(context.Background()).Summary)
	// Output: No other machine has told its time.
}
