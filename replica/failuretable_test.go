package replica

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/failuretable"
)

// failures is everything that breaks and is tested on real servers, with the tests, by the folder under
// this one. docs/replica.md says what happens then; a promise there without a test here would be one
// that nobody keeps.
var failures = []failuretable.Row{
	{"a replica is killed", []string{"TestFailureReplicaKilled"}},
	{"a replica stands still", []string{"TestFailureReplicaFrozen"}},
	{"a replica says that all is well, and its data stands still", []string{"TestFailureReplicaStalls"}},
	{"a replica lags, or stops applying", []string{"TestFailureReplicaLagging"}},
	{"all replicas are down", []string{"TestFailureAllReplicasDown"}},
	{"a replica returns", []string{"TestFailureReplicaReturns"}},
	{"a server has no connection left", []string{"TestFailureTooManyConnections"}},
	{"a read comes straight after a write", []string{"TestFailureReadStraightAfterWrite"}},
	{"a read comes from another process", []string{"TestFailureReadInOtherProcess"}},
	{"one request reads twice, and replicas come and go", []string{"TestFailureTwoReadsOfRequest"}},
	{"a token is forged, expired or of another cluster", []string{"TestFailureForgedExpiredForeignToken"}},
	{"positions begin anew (RESET MASTER, a restored backup)", []string{"TestFailurePositionsBeginAnew"}},
	{"the primary is killed", []string{"failover.TestFailurePrimaryKilledStrict", "promote.TestFailurePrimaryKilledWithSemiSync"}},
	{"the primary is started anew before anybody acted", []string{"failover.TestFailurePrimaryRestartsStrict"}},
	{"the primary stands still and comes back", []string{"failover.TestFailurePrimaryFrozenStrict"}},
	{"the network cuts the primary off, which goes on", []string{"failover.TestFailurePrimaryCutOff"}},
	{"an asynchronous primary is killed", []string{"promote.TestFailurePrimaryKilledWithoutSemiSync", "TestFailureWritesLostByFailover"}},
	{"semi-sync gives up too soon, or is off", []string{"failover.TestFailureSemiSyncGivesUp", "failover.TestFailureSemiSyncIsOff"}},
	{"a replica dies in mode available", []string{"failover.TestFailureReplicaDiesAvailable"}},
	{"both replicas die in mode strict", []string{"failover.TestFailureBothReplicasGoneStrict"}},
	{"another replica is silent when the primary is lost", []string{"failover.TestFailureOneReplicaUnreachable"}},
	{"only a server that is never promoted has the last writes", []string{"promote.TestFailureOnlyOneThatIsNeverPromotedHasIt"}},
	{"the new primary is lost too", []string{"failover.TestFailureFailoverLoop"}},
	{"two guards act at once", []string{"failover.TestFailureTwoGuardsAtOnce"}},
	{"who promotes is killed half way", []string{"failover.TestFailureGuardKilledHalfWay"}},
	{"somebody else promotes", []string{"TestFailurePromotedBySomebodyElse"}},
	{"two programs see one failover", []string{"TestFailureTwoRoutersFollow"}},
	{"the pool is full of connections to the old primary", []string{"TestFailureOldConnectionsInPool"}},
	{"the old primary returns and takes writes", []string{"TestFailureOldPrimaryReturnsWritable"}},
	{"the old primary is to be a replica", []string{"promote.TestFailureOldPrimaryRejoins", "promote.TestFailureOldPrimaryIsBackWithLess", "promote.TestFailureOldPrimaryHasDiverged"}},
	{"the old primary has writes that still wait", []string{"promote.TestFailureOldPrimaryWithWaitingCommits", "promote.TestFailureOldPrimaryThatWouldGiveUp", "promote.TestFailurePrimaryWasFrozenOrCutOff"}},
	{"the connection breaks at a commit", []string{"TestFailureCommitConnectionLost", "TestFailureCommitConnectionLostMarked"}},
	{"a commit waits for a replica in vain", []string{"TestFailureCommitWaitsForReplica", "TestFailureCommitLostByFailover"}},
	{"servers are added and taken out under load", []string{"TestFailureConfigReloadDuringLoad"}},
}

// testsBelow returns the names of all tests in this folder and below, as failures has them.
func testsBelow(t *testing.T) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		folder := ""
		if dir := filepath.Dir(path); dir != "." {
			folder = filepath.ToSlash(dir) + "."
		}
		for _, name := range failuretable.Tests(t, path) {
			found[folder+name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryFailureHasATest(t *testing.T) {
	found := testsBelow(t)
	if len(found) < 100 {
		t.Fatalf("only %d tests are found", len(found))
	}
	named := failuretable.Tested(t, failures, found)
	for name := range found {
		if _, what, ok := strings.Cut("."+name, ".TestFailure"); ok && what != "" && what[0] < 'a' && !strings.Contains(what, "/") && !named[name] {
			t.Errorf("%s is in no row of failures", name)
		}
	}
}

// The table for people has the same rows, and says for each what happens.
func TestEveryFailureIsDocumented(t *testing.T) {
	failuretable.Documented(t, "../docs/replica.md", failures)
}
