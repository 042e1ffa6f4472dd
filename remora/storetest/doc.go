// Package storetest is the contract of a [remora.Store] as tests: what its comments say, and what
// follows from them, checked through the interface alone. A store that passes can stand behind
// everything that reads and writes the catalog.
//
// Powers beyond the interface are tested where the store has them: SetWriteMode, Prune, NewEpoch, Report,
// DownloadsByDay, DownloadsByVersion and Verify, as remora/sqlstore describes them.
package storetest
