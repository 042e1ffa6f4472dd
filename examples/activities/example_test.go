package activities_test

import (
	"fmt"
	"io/fs"

	"github.com/sugarlabs/beamrider/examples/activities"
)

func ExampleFS() {
	bundles, err := fs.Glob(activities.FS(), "paper-boats/*/*.activity")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, bundle := range bundles {
		fmt.Println(bundle)
	}
	// Output:
	// paper-boats/1.10/PaperBoats.activity
	// paper-boats/1.9/PaperBoats.activity
}
