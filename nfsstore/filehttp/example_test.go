package filehttp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/filehttp"
)

// hello is "hello\n" under the name that says its SHA-256.
const hello = "uploads/sha256/58/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

// openStore opens a store in a new folder, with a file in it.
func openStore(ctx context.Context) (_ *nfsstore.Store, remove func()) {
	dir, err := os.MkdirTemp("", "files")
	if err != nil {
		log.Fatal(err)
	}
	s, err := nfsstore.Open(ctx, dir, nil)
	if err == nil {
		err = s.Put(ctx, hello, bytes.NewReader([]byte("hello\n")), 6, filehttp.NamedSum(hello))
	}
	if err != nil {
		log.Fatal(err)
	}
	return s, func() {
		if err := s.Close(); err != nil {
			log.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			log.Fatal(err)
		}
	}
}

// A store is served; what is named by its sum may be kept for ever.
func ExampleNew() {
	s, remove := openStore(context.Background())
	defer remove()
	h, err := filehttp.New(filehttp.Options{Store: s})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/"+hello, nil)
	r.Header.Set("Range", "bytes=1-4")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body, w.Header().Get("Content-Range"))
	fmt.Println(w.Header().Get("Cache-Control"))
	// Output:
	// 206 ello bytes 1-4/6
	// public, max-age=31536000, immutable
}

// A file that has rotted is not served.
func ExampleNewVerifier() {
	s, remove := openStore(context.Background())
	defer remove()
	v, err := filehttp.NewVerifier(&filehttp.VerifierOptions{Damaged: func(name string, _ error) { fmt.Println("damaged:", name[:17]) }})
	if err != nil {
		log.Fatal(err)
	}
	h, err := filehttp.New(filehttp.Options{
		Store: s, Verifier: v,
		// Pretend that the file should have another sum, which is as if its bytes were others.
		Sum: func(context.Context, string) ([]byte, error) { return make([]byte, 32), nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/"+hello, nil))
	fmt.Println(w.Code, w.Body)
	// Output:
	// damaged: uploads/sha256/58
	// 503 The file is damaged and is not given out until it is repaired.
}

// A machine reads what another one serves.
func ExampleNewRemote() {
	ctx := context.Background()
	s, remove := openStore(ctx)
	defer remove()
	h, err := filehttp.New(filehttp.Options{Store: s})
	if err != nil {
		log.Fatal(err)
	}
	other := httptest.NewServer(http.StripPrefix("/files", h))
	defer other.Close()

	r, err := filehttp.NewRemote(nil, other.URL+"/files/")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	f, err := r.Open(ctx, hello)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	fmt.Printf("%q %v\n", text, err)
	// Output: "hello\n" <nil>
}
