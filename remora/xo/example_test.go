package xo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/remora/xo"
)

// maze writes a small activity to a folder and returns it.
func maze(info string) (dir string, remove func()) {
	base, err := os.MkdirTemp("", "maze")
	if err != nil {
		panic(err)
	}
	dir = filepath.Join(base, "Maze.activity")
	if err := os.MkdirAll(filepath.Join(dir, "activity"), 0o755); err != nil {
		panic(err)
	}
	for name, content := range map[string]string{
		"activity/activity.info": info,
		"activity/maze.svg":      `<!DOCTYPE svg [<!ENTITY fill_color "#fff">]><svg width="55"><rect width="45" fill="&fill_color;"/></svg>`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			panic(err)
		}
	}
	return dir, func() {
		if err := os.RemoveAll(base); err != nil {
			panic(err)
		}
	}
}

func Example() {
	dir, remove := maze("[Activity]\nname = Maze\nbundle_id = org.example.Maze\nexec = sugar-activity3 maze.Maze\nactivity_version = 7\nicon = maze\nlicense = GPLv3+\n")
	defer remove()
	ctx := context.Background()
	var bundle bytes.Buffer
	if _, err := xo.Pack(ctx, dir, &bundle, nil); err != nil {
		fmt.Println(err)
		return
	}
	b, err := xo.Read(ctx, bytes.NewReader(bundle.Bytes()), int64(bundle.Len()), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.Manifest.BundleID, b.Manifest.Number, b.Manifest.Interpreter, b.Manifest.SPDX)
	fmt.Println(len(b.Inventory.Files), "files,", len(b.Warnings), "warnings")
	// Output:
	// org.example.Maze 7 python3 GPL-3.0-or-later
	// 2 files, 0 warnings
}

func ExampleRefusal() {
	dir, remove := maze("[Activity]\nname = Maze\nbundle_id = maze\nexec = sugar-activity3 maze.Maze\nactivity_version = 07\n")
	defer remove()
	_, err := xo.Pack(context.Background(), dir, &bytes.Buffer{}, nil)
	var refusal *xo.Refusal
	if errors.As(err, &refusal) {
		for _, p := range refusal.Problems {
			fmt.Println(p.Where, p.Code)
		}
	}
	// Output:
	// Maze.activity/activity/activity.info:3 info.bundle_id_dot
	// Maze.activity/activity/activity.info:5 info.version_syntax
}

func ExampleRecolor() {
	icon := []byte(`<svg><rect data-xo-fill="fill" fill="#ffffff" stroke="#ffffff"></rect></svg>`)
	blue, err := xo.Recolor(icon, "#005fe4", "#00a0ff")
	fmt.Println(string(blue), err)
	// Output: <svg><rect data-xo-fill="fill" fill="#00a0ff" stroke="#ffffff"></rect></svg> <nil>
}

func ExampleSPDX() {
	fmt.Println(xo.SPDX("GPLv2+; MIT"))
	fmt.Printf("%q\n", xo.SPDX("BSD"))
	// Output:
	// GPL-2.0-or-later AND MIT
	// ""
}

func ExampleCodes() {
	for _, c := range xo.Codes() {
		if c.Code == "zip.symlink" {
			fmt.Println(c.Kind, c.Remedy)
		}
	}
	// Output: invalid Put a copy of the file in the place of the link.
}
