// Package accounts makes the users of a MariaDB cluster, each with what it needs and no more: the
// application, which read_only must stop; migrations, which change tables; the promoter, which changes
// roles; replication, with which replicas follow; and the heartbeat, by which lags are measured.
//
// [Plan] says in SQL what there should be. [Apply] makes it so on the primary, from where it
// replicates, and says what it changed; what is so already stays as it is, so that a call may be
// repeated. Neither takes anything away: what an account has beyond its needs is named.
//
// Accounts are let in from the hosts that [Config] names and from no others. Names and passwords are
// quoted so that they hold whatever characters they have. A [Password] shows itself to nobody who
// does not ask for it.
package accounts
