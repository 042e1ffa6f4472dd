package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
)

// A dialect is all that differs between the engines at run time. Query texts are the same but for
// the fragments here.
type dialect struct {
	engine Engine
	// write and read are how transactions begin. MariaDB writes at READ COMMITTED, so that what is
	// read after waiting for a lock is what the one before has committed; its reads are a snapshot.
	write, read *sql.TxOptions
	// insertIgnore begins an INSERT that leaves rows alone that are there already.
	insertIgnore string
	// forUpdate and forShare end a SELECT that locks its rows; empty where the whole database is
	// locked by a writer anyway.
	forUpdate, forShare string
	classify            func(error) fault
}

// upsert ends an INSERT: on a clash with the key, the columns are set from the new row; those in
// add are added to instead.
func (d *dialect) upsert(table, key string, set, add []string) string {
	parts := make([]string, 0, len(set)+len(add))
	for _, c := range set {
		parts = append(parts, c+" = "+d.newRow(c))
	}
	for _, c := range add {
		parts = append(parts, c+" = "+table+"."+c+" + "+d.newRow(c))
	}
	if d.engine == MariaDB {
		return " ON DUPLICATE KEY UPDATE " + strings.Join(parts, ", ")
	}
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(parts, ", ")
}

func (d *dialect) newRow(column string) string {
	if d.engine == MariaDB {
		return "VALUES(" + column + ")"
	}
	return "excluded." + column
}

func dialectOf(e Engine) *dialect {
	switch e {
	case SQLite:
		return &dialect{
			engine:       SQLite,
			write:        nil, // BEGIN IMMEDIATE, by the connection's _txlock
			read:         &sql.TxOptions{ReadOnly: true},
			insertIgnore: "INSERT OR IGNORE INTO ",
			classify:     classifySQLite,
		}
	case MariaDB:
		return &dialect{
			engine:       MariaDB,
			write:        &sql.TxOptions{Isolation: sql.LevelReadCommitted},
			read:         &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
			insertIgnore: "INSERT IGNORE INTO ",
			forUpdate:    " FOR UPDATE",
			forShare:     " LOCK IN SHARE MODE",
			classify:     classifyMariaDB,
		}
	}
	return nil
}

// A fault is what an error of a driver means to us.
type fault uint8

const (
	faultNone      fault = iota // of nobody's list: a mistake of ours
	faultDuplicate              // a unique key is taken
	faultRetry                  // chosen as the victim of a deadlock, or waited too long for a row
	faultBusy                   // another process holds the database
	faultReadOnly               // the server or file takes no writes
	faultGone                   // no answer, no server, no permission
	faultSpace                  // the disk is full, or does not write
	faultSchema                 // the tables are not there yet
	faultCorrupt                // the file is damaged
	faultTooLarge               // a value over the engine's bound
)

// classifyMariaDB goes by the numbers of the server's error list and the driver's sentinels.
func classifyMariaDB(err error) fault {
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		switch my.Number {
		case 1062, 1586: // ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME
			return faultDuplicate
		case 1213, 1205, 1020: // ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD
			return faultRetry
		case 1290, 1792, 1836: // ER_OPTION_PREVENTS_STATEMENT (read_only), ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, ER_READ_ONLY_MODE
			return faultReadOnly
		case 1146, 1054: // ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR: migrations are to come
			return faultSchema
		case 1153, 1301, 1406: // ER_NET_PACKET_TOO_LARGE, ER_WARN_ALLOWED_PACKET_OVERFLOWED, ER_DATA_TOO_LONG
			return faultTooLarge
		case 1034, 1194, 1712, 126, 127: // ER_NOT_KEYFILE, ER_CRASHED_ON_USAGE, ER_INDEX_CORRUPT, handler errors
			return faultCorrupt
		case 1021, 1114: // ER_DISK_FULL, ER_RECORD_FILE_FULL
			return faultSpace
		case 1040, 1203, 1226, // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
			1044, 1045, 1049, 1142, 1698, // access denied, ER_BAD_DB_ERROR, ER_TABLEACCESS_DENIED_ERROR
			1047, 1053, 1152, 1158, 1159, 1160, 1161, // ER_UNKNOWN_COM_ERROR (also a cluster not ready), shutdown, network
			1317, 1927, 1969, 3024, 4031: // interrupted, ER_CONNECTION_KILLED, ER_STATEMENT_TIMEOUT, idle
			return faultGone
		}
		return faultNone
	}
	if isNetwork(err) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, mysql.ErrMalformPkt) || errors.Is(err, mysql.ErrPktSync) {
		return faultGone
	}
	if errors.Is(err, mysql.ErrPktTooLarge) {
		return faultTooLarge
	}
	return faultNone
}

// classifySQLite goes by the extended result codes, https://www.sqlite.org/rescode.html.
func classifySQLite(err error) fault {
	lite, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		if isNetwork(err) {
			return faultGone
		}
		return faultNone
	}
	switch code := lite.Code(); code {
	case 1555, 2067, 2579: // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID
		return faultDuplicate
	case 13, 778, 1034, 1290, 1546, 4874: // SQLITE_FULL, SQLITE_IOERR_WRITE, _FSYNC, _DIR_FSYNC, _TRUNCATE, _SHMSIZE
		return faultSpace
	case 1: // SQLITE_ERROR: bad SQL, such as a table that is not there
		return faultSchema
	default:
		switch code & 0xff {
		case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
			return faultBusy
		case 8: // SQLITE_READONLY
			return faultReadOnly
		case 11, 26: // SQLITE_CORRUPT, SQLITE_NOTADB
			return faultCorrupt
		case 18: // SQLITE_TOOBIG
			return faultTooLarge
		case 3, 7, 9, 10, 14, 15, 23: // PERM, NOMEM, INTERRUPT, IOERR, CANTOPEN, PROTOCOL, AUTH
			return faultGone
		}
	}
	return faultNone
}

func isNetwork(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}
