package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// flipByte changes a byte in the middle of a file, as a disk does.
func flipByte(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data[len(data)/2:len(data)/2+1], int64(len(data)/2)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAMirrorHelpsOut a front end without a copy, when the file server says nothing, and when it is gone.
func TestAMirrorHelpsOut(t *testing.T) {
	t.Parallel()
	nfs := testnfs.Ganesha(t, nil)
	data, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	url := "REMORA_FILES_URL=" + nfs.URL()
	mirror := startServer(t, []string{url, importTokenEnv, "REMORA_FILES_COPY=" + copied}, "--data", data, "--roles", "frontend,files")
	mirror.ready()
	mirror.waitFor("there is a catalog", fresh)
	front := startServer(t, []string{url, "REMORA_FILES_MIRRORS=second=" + mirror.url + "/internal/files/"}, "--data", data, "--roles", "frontend")
	front.ready()
	x := mirror.send(writeBundle(t, t.TempDir(), "org.example.Dance", "1", ""), importToken)
	if x.status != http.StatusCreated {
		t.Fatalf("a bundle got %d %s", x.status, x.body)
	}
	path := filepath.Join(copied, "public", "files", fmt.Sprint(x.ActivityID), x.Filename)
	eventually(t, "it is in the copy", func() bool { _, err := os.Stat(path); return err == nil })
	eventually(t, "it is shown", func() bool { code, _ := front.get(x.download()); return code == http.StatusOK })
	nfs.Stop() // frozen: it takes connections, and says nothing
	front.offers(x)
	nfs.Kill()
	front.offers(x)
	eventually(t, "it is told that the file server is gone", func() bool { return strings.Contains(front.logged(), "another place is asked") })

	// What the mirror has for other machines is for them alone.
	req, err := http.NewRequestWithContext(t.Context(), "GET", mirror.url+"/internal/files/public/files/"+fmt.Sprint(x.ActivityID)+"/"+x.Filename, nil)
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]int{"203.0.113.7": http.StatusForbidden, "": http.StatusOK} {
		req.Header.Del("X-Forwarded-For")
		if client != "" {
			req.Header.Set("X-Forwarded-For", client)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || want == http.StatusOK && resp.Header.Get("Etag") != `"`+x.SHA256+`"` {
			t.Errorf("the mirror answers %q with %d %v", client, resp.StatusCode, resp.Header)
		}
	}
	front.stop()
	mirror.stop()
}

// TestADamagedFileIsNotServed: the next place has a good one, or there is none.
func TestADamagedFileIsNotServed(t *testing.T) {
	t.Parallel()
	s, x, main, copied := serverWithCopy(t)
	name := publicName(x)
	s.offersAll([]imported{x})
	whole, err := os.ReadFile(filepath.Join(main, name))
	if err != nil {
		t.Fatal(err)
	}
	flipByte(t, filepath.Join(copied, name))
	s.offers(x)
	eventually(t, "it is told of the damage", func() bool { return strings.Contains(s.logged(), "a file is damaged") })
	eventually(t, "the copy is mended", func() bool {
		b, err := os.ReadFile(filepath.Join(copied, name))
		return err == nil && bytes.Equal(b, whole)
	})
	// First that from which the copy would be mended once more.
	flipByte(t, filepath.Join(main, name))
	flipByte(t, filepath.Join(copied, name))
	for _, header := range []string{"", "bytes=0-9"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+x.download(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set("Range", header)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("damaged everywhere, %q: status %d", header, resp.StatusCode)
		}
	}
	s.stop()
}
