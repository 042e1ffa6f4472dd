package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// TestTwoCopies: the machine that holds the files is lost right after an upload was acknowledged. It is in
// the second place, whole, and served from there; nothing is taken in until everything moved there.
func TestTwoCopies(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	data, bundles, second := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "second")
	// A file, because what commands override gives way to the environment.
	conf := writeFile(t, "remora.toml", fmt.Sprintf("[files]\nurl = %q\ncopies = \"2\"\nsecond = %q\n", server.URL()+"&timeout=1s", second))
	s := startServer(t, []string{importTokenEnv}, "--data", data, "--config", conf)
	s.ready()
	s.waitFor("there is a catalog", fresh)
	var taken []imported
	for _, name := range []string{"Dance", "Chess", "Paint"} {
		x := s.send(writeBundle(t, bundles, "org.example."+name, "1", ""), importToken)
		if x.status != http.StatusCreated {
			t.Fatalf("a bundle got %d %s", x.status, x.body)
		}
		taken = append(taken, x)
	}
	server.Kill()
	for _, x := range taken {
		for _, name := range []string{"uploads/sha256/" + x.SHA256[:2] + "/" + x.SHA256, "public/files" + strings.TrimPrefix(x.download(), "/activities")} {
			b, err := os.ReadFile(filepath.Join(second, name))
			if sum := sum256(b); err != nil || sum.String() != x.SHA256 {
				t.Errorf("%s in the second place has %d bytes, %v", name, len(b), err)
			}
		}
	}
	s.offersAll(taken)
	late := writeBundle(t, bundles, "org.example.Late", "1", "")
	if got := s.send(late, importToken); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("without the first place a bundle got %d %s", got.status, got.body)
	}

	// For good.
	out := mustRun(t, "files", "move", "--to", second, "--data", data, "--config", conf)
	if !strings.Contains(out, "one place only") {
		t.Errorf("files move says\n%s", out)
	}
	eventually(t, "bundles are taken in again", func() bool { return s.send(late, importToken).status == http.StatusCreated })
	s.stop()
}

// TestTheSecondCopyIsAway: nothing is taken in, and status says why; downloads go on.
func TestTheSecondCopyIsAway(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	data, bundles := testdb.Disk(t), t.TempDir()
	env := []string{importTokenEnv, "REMORA_FILES_COPIES=2", "REMORA_FILES_SECOND=" + server.URL() + "&timeout=1s"}
	s := startServer(t, env, "--data", data)
	s.ready()
	s.waitFor("there is a catalog", fresh)
	one := s.send(writeBundle(t, bundles, "org.example.Dance", "1", ""), importToken)
	if one.status != http.StatusCreated {
		t.Fatalf("a bundle got %d %s", one.status, one.body)
	}
	server.Kill()
	late := writeBundle(t, bundles, "org.example.Chess", "1", "")
	if got := s.send(late, importToken); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "second copy") {
		t.Errorf("a bundle got %d %s", got.status, got.body)
	}
	if _, errs, code := runProgramIn(t, env, "import", "--data", data, late); code != 4 || !strings.Contains(errs, "second copy") {
		t.Errorf("import: exit status %d\n%s", code, errs)
	}
	out, _, code := runProgramIn(t, env, "status", "--data", data)
	if code != 1 || !strings.Contains(out, "second copy") || !strings.Contains(out, "files.copies = \"1\"") {
		t.Errorf("status: exit status %d\n%s", code, out)
	}
	out, _, code = runProgramIn(t, env, "doctor", "--data", data)
	if code == 0 || !strings.Contains(out, "files probe "+server.URL()) {
		t.Errorf("doctor: exit status %d\n%s", code, out)
	}
	s.offersAll([]imported{one})
	server.Start()
	eventually(t, "it is taken in", func() bool { return s.send(late, importToken).status == http.StatusCreated })
	s.stop()
}

func TestTwoCopiesNeedTwoPlaces(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, tc := range []struct {
		env  map[string]string
		good bool
	}{
		{map[string]string{"REMORA_FILES_COPIES": "2"}, false},
		{map[string]string{"REMORA_FILES_COPIES": "2", "REMORA_FILES_SECOND": filepath.Join(data, "files")}, false},
		{map[string]string{"REMORA_FILES_COPIES": "3", "REMORA_FILES_SECOND": "/b"}, false},
		{map[string]string{"REMORA_FILES_COPIES": "2", "REMORA_FILES_COPY": "/b"}, true},
		{map[string]string{"REMORA_FILES_COPIES": "2", "REMORA_FILES_SECOND": "/b"}, true},
		{map[string]string{"REMORA_FILES_COPIES": "1", "REMORA_FILES_SECOND": "/b"}, true},
	} {
		c, err := loadConfig("", env(tc.env), map[string]string{"data.dir": data})
		if err == nil != tc.good {
			t.Errorf("%v: %v", tc.env, err)
		}
		if err != nil && !strings.Contains(err.Error(), "files.copies") {
			t.Errorf("%v: %v does not name the setting", tc.env, err)
		}
		if want := map[bool]string{true: "/b"}[tc.env["REMORA_FILES_COPIES"] == "2"]; tc.good && c.second() != want {
			t.Errorf("%v: the second place is %q", tc.env, c.second())
		}
	}
}
