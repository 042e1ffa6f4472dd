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
	{What: "a replica is killed", Tests: []string{"TestFailureReplicaKilled"}},
	{What: "a replica stands still", Tests: []string{"TestFailureReplicaFrozen"}},
	{What: "a replica says that all is well, and its data stands still", Tests: []string{"TestFailureReplicaStalls"}},
	{What: "a replica lags, or stops applying", Tests: []string{"TestFailureReplicaLagging"}},
	{What: "all replicas are down", Tests: []string{"TestFailureAllReplicasDown"}},
	{What: "a replica returns", Tests: []string{"TestFailureReplicaReturns"}},
	{What: "a server has no connection left", Tests: []string{"TestFailureTooManyConnections"}},
	{What: "a read comes straight after a write", Tests: []string{"TestFailureReadStraightAfterWrite"}},
	{What: "a read comes from another process", Tests: []string{"TestFailureReadInOtherProcess"}},
	{What: "one request reads twice, and replicas come and go", Tests: []string{"TestFailureTwoReadsOfRequest"}},
	{What: "a token is forged, expired or of another cluster", Tests: []string{"TestFailureForgedExpiredForeignToken"}},
	{What: "positions begin anew (RESET MASTER, a restored backup)", Tests: []string{"TestFailurePositionsBeginAnew"}},
	{What: "the primary is killed", Tests: []string{"failover.TestFailurePrimaryKilledStrict", "promote.TestFailurePrimaryKilledWithSemiSync"}},
	{What: "the primary is started anew before anybody acted", Tests: []string{"failover.TestFailurePrimaryRestartsStrict"}},
	{What: "the primary stands still and comes back", Tests: []string{"failover.TestFailurePrimaryFrozenStrict"}},
	{What: "the network cuts the primary off, which goes on", Tests: []string{"failover.TestFailurePrimaryCutOff"}},
	{What: "an asynchronous primary is killed", Tests: []string{"promote.TestFailurePrimaryKilledWithoutSemiSync", "TestFailureWritesLostByFailover"}},
	{What: "semi-sync gives up too soon, or is off", Tests: []string{"failover.TestFailureSemiSyncGivesUp", "failover.TestFailureSemiSyncIsOff"}},
	{What: "a replica dies in mode available", Tests: []string{"failover.TestFailureReplicaDiesAvailable"}},
	{What: "both replicas die in mode strict", Tests: []string{"failover.TestFailureBothReplicasGoneStrict"}},
	{What: "another replica is silent when the primary is lost", Tests: []string{"failover.TestFailureOneReplicaUnreachable"}},
	{What: "only a server that is never promoted has the last writes", Tests: []string{"promote.TestFailureOnlyOneThatIsNeverPromotedHasIt"}},
	{What: "the new primary is lost too", Tests: []string{"failover.TestFailureFailoverLoop"}},
	{What: "two guards act at once", Tests: []string{"failover.TestFailureTwoGuardsAtOnce"}},
	{What: "who promotes is killed half way", Tests: []string{"failover.TestFailureGuardKilledHalfWay"}},
	{What: "somebody else promotes", Tests: []string{"TestFailurePromotedBySomebodyElse"}},
	{What: "two programs see one failover", Tests: []string{"TestFailureTwoRoutersFollow"}},
	{What: "the pool is full of connections to the old primary", Tests: []string{"TestFailureOldConnectionsInPool"}},
	{What: "the old primary returns and takes writes", Tests: []string{"TestFailureOldPrimaryReturnsWritable"}},
	{What: "the old primary is to be a replica", Tests: []string{"promote.TestFailureOldPrimaryRejoins", "promote.TestFailureOldPrimaryIsBackWithLess", "promote.TestFailureOldPrimaryHasDiverged"}},
	{What: "the old primary has writes that still wait", Tests: []string{"promote.TestFailureOldPrimaryWithWaitingCommits", "promote.TestFailureOldPrimaryThatWouldGiveUp", "promote.TestFailurePrimaryWasFrozenOrCutOff"}},
	{What: "the connection breaks at a commit", Tests: []string{"TestFailureCommitConnectionLost", "TestFailureCommitConnectionLostMarked"}},
	{What: "a commit waits for a replica in vain", Tests: []string{"TestFailureCommitWaitsForReplica", "TestFailureCommitLostByFailover"}},
	{What: "servers are added and taken out under load", Tests: []string{"TestFailureConfigReloadDuringLoad"}},
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
