package nfsstore

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/failuretable"
)

// failures is everything that breaks and is tested, with the tests: those of other packages have the
// name of their folder before them, parts of tests their name after a slash. docs/nfsstore.md says what
// happens then; a promise there without a test here would be one that nobody keeps.
var failures = []failuretable.Row{
	{"a reader comes while a file is stored", []string{"TestReadersSeeNothingByHalf", "nfsproof.TestTwoFrontEnds"}},
	{"the machine with the disk loses its power", []string{"nfsproof.TestPowerCuts", "TestPowerLossAnywhere"}},
	{"the server loses its power and comes back while its clients go on", []string{"nfsproof.TestOutages"}},
	{"a power cut undoes what our server acknowledged of hidden names (--hidden-later)", []string{"nfsproof.TestPowerCuts", "nfsd.TestHiddenLater"}},
	{"the process is killed", []string{"TestKilled", "TestMirrorThatWasKilled", "remora-server.TestKilledImportLeavesNothingByHalf", "TestSweep"}},
	{"the disk is full, and says so as late as at fsync or close", []string{"TestDiskFull", "TestFaultAnywhere", "TestTrashOfAFullDisk", "nfs3.TestFull", "nfsd.TestFull", "remora-server.TestDiskFull"}},
	{"no inodes are left", []string{"TestDiskFull", "TestTrashOfAFullDisk", "nfsd.TestFull"}},
	{"the disk becomes nearly full", []string{"TestReserve", "TestBudget"}},
	{"the quota of the user is used up", []string{"nfsproof.TestOtherMachines/quota", "TestErrorsAreToldApart"}},
	{"the file system is or becomes read-only", []string{"TestReadOnlyFileSystem", "TestReadOnlyStore", "nfsd.TestReadOnly"}},
	{"the server takes root for nobody (root squash)", []string{"nfsproof.TestOtherMachines/root squash", "TestRootSquash", "nfsd.TestUsers", "nfsjudge.TestUsers"}},
	{"the content is not what was declared, or the caller's reader fails", []string{"TestPutRefuses", "TestPutIsGivenUp"}},
	{"the reply to a link, a rename or a removal is lost", []string{"TestLostReplyOfLink", "nfs3.TestLostReply", "nfsjudge.TestLostMessages", "nfsjudge.TestLossyNetwork"}},
	{"a client sends a call again", []string{"nfsd.TestSentAgain", "nfsd.TestUnderWay", "nfsjudge.TestRetransmission"}},
	{"two store the same name at once", []string{"TestConcurrentPutsOfOneName", "TestNameComesMeanwhile"}},
	{"of many who create a file (O_EXCL) several are told that they did", []string{"nfsjudge.TestRaces", "nfsd.TestExclusiveTwice", "nfs3.TestCreateRace", "nfs3.TestNoExclusive", "nfsproof.TestKernelClient"}},
	{"the server is restarted between WRITE and COMMIT", []string{"TestServerRestartsInTheMiddleOfAFile", "nfs3.TestRewrite", "nfsd.TestKilled"}},
	{"there are no hard links", []string{"TestContractWithoutLinks", "TestPutAgainWithoutLinks", "TestProbeOfPoorPlaces"}},
	{"a link is not possible (another file system, too many links)", []string{"TestLinkCopiesInstead", "TestLinkAcrossFileSystems"}},
	{"FAT forgets the size of a file at a power cut", []string{"nfsproof.TestFAT"}},
	{"somebody sweeps a temporary file while it is written", []string{"TestTempIsSweptMeanwhile"}},
	{"a machine has looked for a file before it was there (negative dentries)", []string{"nfsproof.TestAbsentFileComesOnAnotherMachine", "TestAbsenceIsNotTakenFromACache"}},
	{"the kernel remembers sizes and times of files (attribute cache)", []string{"nfsproof.TestTwoFrontEnds"}},
	{"a name that was removed is opened on another machine", []string{"nfsproof.TestOtherMachines/a name that was removed"}},
	{"a file is removed while another machine reads it", []string{"nfsproof.TestOtherMachines/removed while it is read", "TestTrash", "TestOpenFileIsForgotten"}},
	{"an open file is replaced on the server", []string{"nfsproof.TestOtherMachines/replaced while it is read", "TestOpenFileIsForgotten"}},
	{"a file is cut short on the server", []string{"nfs3vol.TestFileIsCutOnTheServer", "filehttp.TestTrouble"}},
	{"a byte flips on the disk", []string{"TestScrub", "TestScrubExpected", "TestRepair", "filehttp.TestADamagedFileIsNeverServed", "remora-server.TestADamagedFileIsNotServed"}},
	{"a file cannot be read, and others can", []string{"TestScrubTellsFaultsApart", "TestRepairOfWhatCannotBeRead"}},
	{"a folder of ten thousand names changes while it is listed (cookies)", []string{"TestListWhileFilesGo", "TestListWhileFoldersGo", "nfs3.TestReadDir", "nfs3.TestEndlessDirectory", "nfsd.TestReadDir", "nfsjudge.TestReaddir", "nfsproof.TestKernelClient"}},
	{"a client leaves .nfs… files behind (silly rename)", []string{"nfsproof.TestOtherMachines/left behind", "TestSweepOfLeftovers"}},
	{"the server stands still, or a hard mount has lost it", []string{"nfsproof.TestServerFrozen", "TestServerIsFrozen", "TestHangingFileSystem", "TestDeadlineOnHangingMount", "TestOpenFileOnHangingMount", "TestHealthOfAHangingMount", "TestScrubOfAHangingMount"}},
	{"the server is silent for long", []string{"nfs3.TestSilence"}},
	{"the server is away when a store is opened", []string{"TestServerComesLater"}},
	{"the server is killed and started again", []string{"TestServerIsKilled", "nfs3.TestRestart", "nfsd.TestRestart", "nfsproof.TestKernelClient"}},
	{"the server lets this machine not in", []string{"nfs3.TestMountRefused", "nfsd.TestStrangers"}},
	{"the answers of a server make no sense", []string{"nfs3.TestHostile", "nfs3.TestWrongCounts", "nfs3.FuzzReply"}},
	{"the clocks of machines differ", []string{"nfsproof.TestOtherMachines/another clock", "TestTempNameCarriesItsTime", "TestSweepOfLeftovers"}},
	{"a mount has the wrong options, or is missing", []string{"TestAdvise", "TestProbe", "TestProbeOfPoorPlaces"}},
	{"the folder of a store vanishes", []string{"TestDirectoryVanishes"}},
	{"a name wants to leave the folder (.., slashes, NUL, symbolic links)", []string{"TestCheckName", "TestNamesAreChecked", "dirvol.TestPlantedThings", "nfsd.TestBadNames", "nfsd.TestOutside", "nfsjudge.TestNames"}},
	{"a handle is forged, or one of another export", []string{"nfsd.TestForged", "nfsd.TestTwoExports", "nfsd.FuzzHandle", "nfsjudge.TestHandles"}},
	{"a client says nonsense (XDR)", []string{"nfsjudge.TestRecords", "nfsjudge.TestNumbers", "nfsjudge.FuzzStream", "nfsd.FuzzCall", "nfsd.TestRecordMemory"}},
	{"a thousand connections are idle or slow, or take no replies", []string{"nfsjudge.TestCrowd", "nfsjudge.TestFlood", "nfsjudge.TestGreedy", "nfsd.TestIdleConnections", "nfsd.TestSlow", "nfsd.TestDeaf"}},
	{"a user wants what belongs to others", []string{"nfsd.TestUsers", "nfsd.TestForbidden", "nfsd.TestUsersSideBySide"}},
	{"the server has a public address", []string{"nfs3vol.TestCheckPrivate", "nfsd.TestAddresses", "remora-server.TestWhatIsServedByNFSToEverybody"}},
	{"what a mirror copies from is away", []string{"TestMirrorWaitsForTheSource", "filestore.TestKeepCopyWithTheMainPlaceAway", "remora-server.TestTheCopyOfTheFiles"}},
	{"a copy breaks off", []string{"TestMirrorResumes", "TestMirrorResumesFromAnExport", "TestMirrorOfADamagedPart"}},
	{"what a mirror copies from is damaged", []string{"TestMirrorOfDamagedSource"}},
	{"something is withdrawn while a mirror is busy, full or off", []string{"TestMirrorThatCopiesFollowsWithdrawals", "TestMirrorWithAFullQueueFollowsWithdrawals", "TestMirrorReconciles", "TestMirrorIsNotEmptied"}},
	{"the second place of copies = 2 is away", []string{"filestore.TestTheSecondPlaceIsAway", "remora-server.TestTheSecondCopyIsAway"}},
	{"the first place is lost", []string{"filestore.TestTheFirstPlaceIsLost", "remora-server.TestTwoCopies"}},
	{"the files are away, and this machine has no copy", []string{"remora-server.TestAMirrorHelpsOut", "filehttp.TestRemoteFailsOver", "filestore.TestReadingOrder"}},
	{"another machine sends other bytes over HTTP, or too few", []string{"filehttp.TestRemoteVerifies", "filehttp.TestRemoteNeverMixes", "filehttp.FuzzRemote"}},
}

// testsOfAll returns the names of all tests and fuzz targets, and of parts of them whose name is written
// where they are run, as failures has them.
func testsOfAll(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../cmd/remora-server/*_test.go")
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "internal/*/*_test.go", "../internal/nfs*/*_test.go", "../internal/filestore/*_test.go"} {
		more, merr := filepath.Glob(pattern)
		if files = append(files, more...); err == nil {
			err = merr
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, path := range files {
		folder := ""
		if dir := filepath.Dir(path); dir != "." {
			folder = filepath.Base(dir) + "."
		}
		for _, name := range failuretable.Tests(t, path) {
			found[folder+name] = true
		}
	}
	return found
}

func TestEveryFailureHasATest(t *testing.T) {
	found := testsOfAll(t)
	if len(found) < 300 {
		t.Fatalf("only %d tests are found", len(found))
	}
	named := failuretable.Tested(t, failures, found)
	const others = "nfsproof.TestOtherMachines/"
	for name := range found {
		if strings.HasPrefix(name, others) && !named[name] {
			t.Errorf("%s is in no row of failures", name)
		}
	}
}

// The table for people has the same rows, and says for each what happens.
func TestEveryFailureIsDocumented(t *testing.T) {
	failuretable.Documented(t, "../docs/nfsstore.md", failures)
}
