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
	{What: "a reader comes while a file is stored", Tests: []string{"TestReadersSeeNothingByHalf", "nfsproof.TestTwoFrontEnds"}},
	{What: "the machine with the disk loses its power", Tests: []string{"nfsproof.TestPowerCuts", "TestPowerLossAnywhere"}},
	{What: "the server loses its power and comes back while its clients go on", Tests: []string{"nfsproof.TestOutages"}},
	{What: "a power cut undoes what our server acknowledged of hidden names (--hidden-later)", Tests: []string{"nfsproof.TestPowerCuts", "nfsd.TestHiddenLater"}},
	{What: "the process is killed", Tests: []string{"TestKilled", "TestMirrorThatWasKilled", "remora-server.TestKilledImportLeavesNothingByHalf", "TestSweep"}},
	{What: "the disk is full, and says so as late as at fsync or close", Tests: []string{"TestDiskFull", "TestFaultAnywhere", "TestTrashOfAFullDisk", "nfs3.TestFull", "nfsd.TestFull", "remora-server.TestDiskFull"}},
	{What: "no inodes are left", Tests: []string{"TestDiskFull", "TestTrashOfAFullDisk", "nfsd.TestFull"}},
	{What: "the disk becomes nearly full", Tests: []string{"TestReserve", "TestBudget"}},
	{What: "the quota of the user is used up", Tests: []string{"nfsproof.TestOtherMachines/quota", "TestErrorsAreToldApart"}},
	{What: "the file system is or becomes read-only", Tests: []string{"TestReadOnlyFileSystem", "TestReadOnlyStore", "nfsd.TestReadOnly"}},
	{What: "the server takes root for nobody (root squash)", Tests: []string{"nfsproof.TestOtherMachines/root squash", "TestRootSquash", "nfsd.TestUsers", "nfsjudge.TestUsers"}},
	{What: "the content is not what was declared, or the caller's reader fails", Tests: []string{"TestPutRefuses", "TestPutIsGivenUp"}},
	{What: "the reply to a link, a rename or a removal is lost", Tests: []string{"TestLostReplyOfLink", "nfs3.TestLostReply", "nfsjudge.TestLostMessages", "nfsjudge.TestLossyNetwork"}},
	{What: "a client sends a call again", Tests: []string{"nfsd.TestSentAgain", "nfsd.TestUnderWay", "nfsjudge.TestRetransmission"}},
	{What: "two store the same name at once", Tests: []string{"TestConcurrentPutsOfOneName", "TestNameComesMeanwhile"}},
	{What: "of many who create a file (O_EXCL) several are told that they did", Tests: []string{"nfsjudge.TestRaces", "nfsd.TestExclusiveTwice", "nfs3.TestCreateRace", "nfs3.TestNoExclusive", "nfsproof.TestKernelClient"}},
	{What: "the server is restarted between WRITE and COMMIT", Tests: []string{"TestServerRestartsInTheMiddleOfAFile", "nfs3.TestRewrite", "nfsd.TestKilled"}},
	{What: "there are no hard links", Tests: []string{"TestContractWithoutLinks", "TestPutAgainWithoutLinks", "TestProbeOfPoorPlaces"}},
	{What: "a link is not possible (another file system, too many links)", Tests: []string{"TestLinkCopiesInstead", "TestLinkAcrossFileSystems"}},
	{What: "FAT forgets the size of a file at a power cut", Tests: []string{"nfsproof.TestFAT"}},
	{What: "somebody sweeps a temporary file while it is written", Tests: []string{"TestTempIsSweptMeanwhile"}},
	{What: "a machine has looked for a file before it was there (negative dentries)", Tests: []string{"nfsproof.TestAbsentFileComesOnAnotherMachine", "TestAbsenceIsNotTakenFromACache"}},
	{What: "the kernel remembers sizes and times of files (attribute cache)", Tests: []string{"nfsproof.TestTwoFrontEnds"}},
	{What: "a name that was removed is opened on another machine", Tests: []string{"nfsproof.TestOtherMachines/a name that was removed"}},
	{What: "a file is removed while another machine reads it", Tests: []string{"nfsproof.TestOtherMachines/removed while it is read", "TestTrash", "TestOpenFileIsForgotten"}},
	{What: "an open file is replaced on the server", Tests: []string{"nfsproof.TestOtherMachines/replaced while it is read", "TestOpenFileIsForgotten"}},
	{What: "a file is cut short on the server", Tests: []string{"nfs3vol.TestFileIsCutOnTheServer", "filehttp.TestTrouble"}},
	{What: "a byte flips on the disk", Tests: []string{"TestScrub", "TestScrubExpected", "TestRepair", "filehttp.TestADamagedFileIsNeverServed", "remora-server.TestADamagedFileIsNotServed"}},
	{What: "a file cannot be read, and others can", Tests: []string{"TestScrubTellsFaultsApart", "TestRepairOfWhatCannotBeRead"}},
	{What: "a folder of ten thousand names changes while it is listed (cookies)", Tests: []string{"TestListWhileFilesGo", "TestListWhileFoldersGo", "nfs3.TestReadDir", "nfs3.TestEndlessDirectory", "nfsd.TestReadDir", "nfsjudge.TestReaddir", "nfsproof.TestKernelClient"}},
	{What: "a client leaves .nfs… files behind (silly rename)", Tests: []string{"nfsproof.TestOtherMachines/left behind", "TestSweepOfLeftovers"}},
	{What: "the server stands still, or a hard mount has lost it", Tests: []string{"nfsproof.TestServerFrozen", "TestServerIsFrozen", "TestHangingFileSystem", "TestDeadlineOnHangingMount", "TestOpenFileOnHangingMount", "TestHealthOfAHangingMount", "TestScrubOfAHangingMount"}},
	{What: "the server is silent for long", Tests: []string{"nfs3.TestSilence"}},
	{What: "the server is away when a store is opened", Tests: []string{"TestServerComesLater"}},
	{What: "the server is killed and started again", Tests: []string{"TestServerIsKilled", "nfs3.TestRestart", "nfsd.TestRestart", "nfsproof.TestKernelClient"}},
	{What: "the server lets this machine not in", Tests: []string{"nfs3.TestMountRefused", "nfsd.TestStrangers"}},
	{What: "the answers of a server make no sense", Tests: []string{"nfs3.TestHostile", "nfs3.TestWrongCounts", "nfs3.FuzzReply"}},
	{What: "the clocks of machines differ", Tests: []string{"nfsproof.TestOtherMachines/another clock", "TestTempNameCarriesItsTime", "TestSweepOfLeftovers"}},
	{What: "a mount has the wrong options, or is missing", Tests: []string{"TestAdvise", "TestProbe", "TestProbeOfPoorPlaces"}},
	{What: "the folder of a store vanishes", Tests: []string{"TestDirectoryVanishes"}},
	{What: "a name wants to leave the folder (.., slashes, NUL, symbolic links)", Tests: []string{"TestCheckName", "TestNamesAreChecked", "dirvol.TestPlantedThings", "nfsd.TestBadNames", "nfsd.TestOutside", "nfsjudge.TestNames"}},
	{What: "a handle is forged, or one of another export", Tests: []string{"nfsd.TestForged", "nfsd.TestTwoExports", "nfsd.FuzzHandle", "nfsjudge.TestHandles"}},
	{What: "a client says nonsense (XDR)", Tests: []string{"nfsjudge.TestRecords", "nfsjudge.TestNumbers", "nfsjudge.FuzzStream", "nfsd.FuzzCall", "nfsd.TestRecordMemory"}},
	{What: "a thousand connections are idle or slow, or take no replies", Tests: []string{"nfsjudge.TestCrowd", "nfsjudge.TestFlood", "nfsjudge.TestGreedy", "nfsd.TestIdleConnections", "nfsd.TestSlow", "nfsd.TestDeaf"}},
	{What: "a user wants what belongs to others", Tests: []string{"nfsd.TestUsers", "nfsd.TestForbidden", "nfsd.TestUsersSideBySide"}},
	{What: "the server has a public address", Tests: []string{"nfs3vol.TestCheckPrivate", "nfsd.TestAddresses", "remora-server.TestWhatIsServedByNFSToEverybody"}},
	{What: "what a mirror copies from is away", Tests: []string{"TestMirrorWaitsForTheSource", "filestore.TestKeepCopyWithTheMainPlaceAway", "remora-server.TestTheCopyOfTheFiles"}},
	{What: "a copy breaks off", Tests: []string{"TestMirrorResumes", "TestMirrorResumesFromAnExport", "TestMirrorOfADamagedPart"}},
	{What: "what a mirror copies from is damaged", Tests: []string{"TestMirrorOfDamagedSource"}},
	{What: "something is withdrawn while a mirror is busy, full or off", Tests: []string{"TestMirrorThatCopiesFollowsWithdrawals", "TestMirrorWithAFullQueueFollowsWithdrawals", "TestMirrorReconciles", "TestMirrorIsNotEmptied"}},
	{What: "the second place of copies = 2 is away", Tests: []string{"filestore.TestTheSecondPlaceIsAway", "remora-server.TestTheSecondCopyIsAway"}},
	{What: "the first place is lost", Tests: []string{"filestore.TestTheFirstPlaceIsLost", "remora-server.TestTwoCopies"}},
	{What: "the files are away, and this machine has no copy", Tests: []string{"remora-server.TestAMirrorHelpsOut", "filehttp.TestRemoteFailsOver", "filestore.TestReadingOrder"}},
	{What: "another machine sends other bytes over HTTP, or too few", Tests: []string{"filehttp.TestRemoteVerifies", "filehttp.TestRemoteNeverMixes", "filehttp.FuzzRemote"}},
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
