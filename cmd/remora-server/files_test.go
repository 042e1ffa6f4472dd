package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// The token of servers that take bundles.
const (
	importToken    = "a-token-only-for-tests"
	importTokenEnv = "REMORA_HTTP_IMPORT_TOKEN=" + importToken
)

// imported is the answer to a bundle that was sent.
type imported struct {
	status int
	header http.Header
	body   string

	ActivityID int64  `json:"activity_id"`
	Filename   string `json:"filename"`
	SHA256     string `json:"sha256"`
	Existing   bool   `json:"existing"`
}

func (x *imported) download() string {
	return fmt.Sprintf("/activities/%d/%s", x.ActivityID, x.Filename)
}

// send sends a bundle to a server; the status is 0 when there was no answer.
func (s *served) send(path, token string) (x imported) {
	s.t.Helper()
	bundle, err := os.ReadFile(path)
	if err != nil {
		s.t.Error(err) // not Fatal: it is used by other goroutines
		return x
	}
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url+"/internal/import", bytes.NewReader(bundle))
	if err != nil {
		s.t.Error(err)
		return x
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.body = err.Error()
		return x
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		x.body = err.Error()
		return x
	}
	x.status, x.header, x.body = resp.StatusCode, resp.Header, string(body)
	if resp.StatusCode < 300 {
		if err := json.Unmarshal(body, &x); err != nil {
			s.t.Error(err)
		}
	}
	return x
}

// pause is how long a sender that was refused waits.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

// offers checks that what was taken in can be downloaded, whole.
func (s *served) offers(x imported) {
	s.t.Helper()
	code, body := s.get(x.download())
	sum := sha256.Sum256([]byte(body))
	if code != http.StatusOK || hex.EncodeToString(sum[:]) != x.SHA256 {
		s.t.Errorf("%s: status %d, %d bytes", x.download(), code, len(body))
	}
}

// offersAll is offers for several, once the server has heard of all.
func (s *served) offersAll(list []imported) {
	s.t.Helper()
	for _, x := range list {
		eventually(s.t, x.Filename+" is shown", func() bool { code, _ := s.get(x.download()); return code == http.StatusOK })
		s.offers(x)
	}
}

// TestBundlesAreSent to POST /internal/import, by those who know the token.
func TestBundlesAreSent(t *testing.T) {
	t.Parallel()
	data, bundles := t.TempDir(), t.TempDir()
	s := startServer(t, []string{importTokenEnv}, "--data", data)
	s.ready()
	s.waitFor("there is a catalog", fresh)
	one := writeBundle(t, bundles, "org.example.Dance", "1", "")
	for token, want := range map[string]int{"": 401, importToken + "x": 401, importToken[1:]: 401} {
		if got := s.send(one, token); got.status != want || got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("token %q: status %d, want %d", token, got.status, want)
		}
	}
	first := s.send(one, importToken)
	if first.status != http.StatusCreated || first.Existing {
		t.Errorf("a new bundle: status %d %s", first.status, first.body)
	}
	again := s.send(one, importToken)
	if again.status != http.StatusOK || !again.Existing || again.ActivityID != first.ActivityID {
		t.Errorf("the same bundle again: status %d %s", again.status, again.body)
	}
	if got := s.send(writeFile(t, "no.xo", "this is no bundle"), importToken); got.status != http.StatusBadRequest && got.status != http.StatusUnprocessableEntity {
		t.Errorf("what is no bundle: status %d %s", got.status, got.body)
	}
	eventually(t, "it is offered", func() bool { code, _ := s.get(first.download()); return code == http.StatusOK })
	s.offers(first)

	mustRun(t, "db", "write-mode", "frozen", "--data", data)
	two := writeBundle(t, bundles, "org.example.Chess", "1", "")
	if got := s.send(two, importToken); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "switched off") {
		t.Errorf("while frozen: status %d %v %s", got.status, got.header, got.body)
	}
	s.offers(first)
	mustRun(t, "db", "write-mode", "normal", "--data", data)
	if got := s.send(two, importToken); got.status != http.StatusCreated {
		t.Errorf("thawed: status %d %s", got.status, got.body)
	}
	s.stop()
}

// TestWhatMachinesTellEachOtherIsNotForThePublic: a proxy that is believed says for whom it asks.
func TestWhatMachinesTellEachOtherIsNotForThePublic(t *testing.T) {
	t.Parallel()
	for name, roles := range map[string]string{"with a balancer": "frontend,balancer,files,monitor", "without": "frontend,files,monitor"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil, "--data", t.TempDir(), "--roles", roles)
			s.ready()
			paths := []string{"/internal/changes?after=0", "/internal/status", "/internal/monitor", "/metrics"}
			if strings.Contains(roles, "balancer") {
				paths = append(paths, "/internal/balancer")
			}
			for _, path := range paths {
				for client, want := range map[string]int{"": 200, "203.0.113.7": 403, "2001:db8::7": 403, "127.0.0.1, 203.0.113.7": 403} {
					req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					if client != "" {
						req.Header.Set("X-Forwarded-For", client)
					}
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.StatusCode != want {
						t.Errorf("%s for %q: status %d, want %d", path, client, resp.StatusCode, want)
					}
				}
			}
			// Without a token in the settings nobody can send bundles.
			if got := s.send(writeBundle(t, t.TempDir(), "org.example.Dance", "1", ""), importToken); got.status != http.StatusNotFound {
				t.Errorf("a server without a token answers a bundle with %d %s", got.status, got.body)
			}
			s.stop()
		})
	}
}

// TestFilesMove while bundles come in: none is lost, and the server uses the new place at once.
func TestFilesMove(t *testing.T) {
	t.Parallel()
	t.Run("to a folder", func(t *testing.T) {
		t.Parallel()
		testFilesMove(t, filepath.Join(t.TempDir(), "new place"))
	})
	t.Run("to an NFS server", func(t *testing.T) {
		t.Parallel()
		testFilesMove(t, testnfs.Ganesha(t, nil).URL())
	})
}

func testFilesMove(t *testing.T, to string) {
	data, bundles := t.TempDir(), t.TempDir()
	mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Act0000", "1", ""))
	s := startServer(t, []string{importTokenEnv}, "--data", data)
	s.ready()
	s.waitFor("the server reads the database", fresh)
	stopReading := s.readOn(fmt.Sprintf("/activities/%d/act0000-1.xo", firstActivity))
	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	var taken []imported
	refused := 0
	sender.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			path := writeBundle(t, bundles, fmt.Sprintf("org.example.Act%04d", i), "1", "")
			switch got := s.send(path, importToken); {
			case got.status == http.StatusCreated:
				taken = append(taken, got)
			case got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "":
				refused++
				pause(ctx)
			default:
				t.Errorf("during the move a bundle got %d %s", got.status, got.body)
				return
			}
		}
	})
	out := mustRun(t, "files", "move", "--to", to, "--data", data)
	last := s.send(writeBundle(t, bundles, "org.example.Last", "1", ""), importToken)
	cancel()
	sender.Wait()
	if last.status != http.StatusCreated {
		t.Errorf("after the move a bundle got %d %s", last.status, last.body)
	}
	taken = append(taken, last)
	if refused == 0 || len(taken) < 2 {
		t.Errorf("%d were taken and %d refused; the move was not seen", len(taken), refused)
	}
	if !strings.Contains(out, to) {
		t.Errorf("files move says\n%s", out)
	}
	stopReading()

	// The old place is not needed any more.
	if err := os.RemoveAll(filepath.Join(data, "files")); err != nil {
		t.Fatal(err)
	}
	s.offersAll(taken)
	s.answersFor(firstActivity, "org.example.Act0000")
	var rows []struct{ Key, Value, From string }
	if err := json.Unmarshal([]byte(mustRun(t, "config", "show", "--json", "--data", data)), &rows); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range rows {
		if r.Key == "files.url" {
			found = true
			if r.Value != to || r.From != "overrides" {
				t.Errorf("config show says %+v", r)
			}
		}
	}
	if !found {
		t.Error("config show does not show files.url")
	}
	s.stop()

	again := startServer(t, nil, "--data", data)
	again.ready()
	again.offersAll(taken)
	again.stop()
	if _, errs, code := runProgram(t, "files", "move", "--to", to, "--data", data); code != exitUsage && code != 3 || !strings.Contains(errs, "already") {
		t.Errorf("moving to where they are: exit status %d, %s", code, errs)
	}
}

// TestAFilesMoveThatIsKilledIsFinished by doing it again, wherever it was.
func TestAFilesMoveThatIsKilledIsFinished(t *testing.T) {
	t.Parallel()
	for name, reached := range map[string]func(data string, store *sqlstore.Store) bool{
		"when writing is switched off": func(_ string, store *sqlstore.Store) bool {
			mode, err := store.WriteMode(t.Context())
			return err == nil && mode == sqlstore.WriteFrozen
		},
		"when servers are told": func(data string, _ *sqlstore.Store) bool {
			_, err := os.Stat(filepath.Join(data, settings.OverridesFile))
			return err == nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, bundles := t.TempDir(), t.TempDir()
			to := filepath.Join(t.TempDir(), "new")
			mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Dance", "1", ""))
			store := openStore(t, data)
			cmd := program(t, "files", "move", "--to", to, "--data", data)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, name, func() bool { return reached(data, store) })
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("the move was done before it was killed")
			}
			mustRun(t, "files", "move", "--to", to, "--data", data)
			if mode, err := store.WriteMode(t.Context()); err != nil || mode != sqlstore.WriteNormal {
				t.Errorf("the mode of writing is %q %v", mode, err)
			}
			if err := os.RemoveAll(filepath.Join(data, "files")); err != nil {
				t.Fatal(err)
			}
			mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Chess", "1", ""))
			s := startServer(t, nil, "--data", data)
			s.ready()
			s.waitFor("the server reads the database", fresh)
			for path, want := range map[string]string{"/activities/100001/dance-1.xo": "PK\x03\x04", "/activities/100002/chess-1.xo": "PK\x03\x04"} {
				if code, body := s.get(path); code != http.StatusOK || !strings.HasPrefix(body, want) {
					t.Errorf("%s: status %d", path, code)
				}
			}
			s.stop()
		})
	}
}

// serverWithCopy returns a server whose copy of the files has a bundle, and the folders of both places.
func serverWithCopy(t *testing.T) (s *served, x imported, main, copied string) {
	t.Helper()
	main, copied = filepath.Join(t.TempDir(), "main"), filepath.Join(t.TempDir(), "copy")
	s = startServer(t, []string{importTokenEnv, "REMORA_FILES_URL=" + main, "REMORA_FILES_COPY=" + copied}, "--data", t.TempDir())
	s.ready()
	s.waitFor("there is a catalog", fresh)
	if x = s.send(writeBundle(t, t.TempDir(), "org.example.Dance", "1", ""), importToken); x.status != http.StatusCreated {
		t.Fatalf("a bundle got %d %s", x.status, x.body)
	}
	path := filepath.Join(copied, publicName(x))
	eventually(t, "it is in the copy", func() bool { _, err := os.Stat(path); return err == nil })
	return s, x, main, copied
}

// publicName is where a bundle is offered from, in each place of the files.
func publicName(x imported) string {
	return filepath.Join("public", "files", fmt.Sprint(x.ActivityID), x.Filename)
}

// TestTheCopyOfTheFiles follows what is published, and serves downloads when all else is gone.
func TestTheCopyOfTheFiles(t *testing.T) {
	t.Parallel()
	s, x, main, _ := serverWithCopy(t)
	eventually(t, "it is shown", func() bool { code, _ := s.get(x.download()); return code == http.StatusOK })
	// Others may have the folder open still, so that its files go, too.
	if err := os.Rename(main, main+".gone"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(main + ".gone"); err != nil {
		t.Fatal(err)
	}
	s.offers(x)
	if code, body := s.get(fmt.Sprintf("/en/activity/%d", x.ActivityID)); code != http.StatusOK || !strings.Contains(body, "org.example.Dance") {
		t.Errorf("its page: status %d", code)
	}
	s.stop()
}
