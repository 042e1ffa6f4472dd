package nfsstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// A place is a directory of the test, and the url by which a store reaches it.
type place struct {
	url string
	dir string // of this machine
}

func (p place) open(t testing.TB, o *Options) *Store { return openStore(t, p.url, o) }

// sub returns a new place for one more store.
func (p place) sub(t testing.TB) place {
	t.Helper()
	dir, err := os.MkdirTemp(p.dir, "sub")
	if err != nil {
		t.Fatal(err)
	}
	at, options, _ := strings.Cut(p.url, "?")
	at += "/" + filepath.Base(dir)
	if options != "" {
		at += "?" + options
	}
	return place{at, dir}
}

// export reports whether the place is reached by NFS.
func (p place) export() bool { return strings.HasPrefix(p.url, "nfs:") }

// onDisk runs a test of the contract on a directory.
func onDisk(t *testing.T, test func(*testing.T, place)) {
	dir := t.TempDir()
	test(t, place{"file://" + dir, dir})
}

// contract is what holds for every kind of store.
var contract = map[string]func(*testing.T, place){
	"Space":                              testSpace,
	"DamagedFileIsNotTakenForTheContent": testDamagedFileIsNotTakenForTheContent,
	"PutAndOpen":                         testPutAndOpen,
	"OpenedFile":                         testOpenedFile,
	"PutAgain":                           testPutAgain,
	"PutRefuses":                         testPutRefuses,
	"PutIsGivenUp":                       testPutIsGivenUp,
	"NamesAreChecked":                    testNamesAreChecked,
	"Link":                               testLink,
	"Remove":                             testRemove,
	"DirectoryVanishes":                  testDirectoryVanishes,
	"ConcurrentPutsOfOneName":            testConcurrentPutsOfOneName,
	"NameComesMeanwhile":                 testNameComesMeanwhile,
	"ReadersSeeNothingByHalf":            testReadersSeeNothingByHalf,
	"ReadOnlyStore":                      testReadOnlyStore,
	"Close":                              testClose,
	"Sweep":                              testSweep,
	"OrderOfOperations":                  testOrderOfOperations,
	"FaultAnywhere":                      testFaultAnywhere,
	"LostReplyOfLink":                    testLostReplyOfLink,
	"LinkCopiesInstead":                  testLinkCopiesInstead,
	"ErrorsOfOpen":                       testErrorsOfOpen,
	"TempIsSweptMeanwhile":               testTempIsSweptMeanwhile,
}

// TestContractOnExport runs the tests of the contract, which others run on a directory, on an export
// of NFS-Ganesha.
func TestContractOnExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	all := place{server.URL(), server.Dir()}
	for name, test := range contract {
		t.Run(name, func(t *testing.T) { test(t, all.sub(t)) })
	}
}
