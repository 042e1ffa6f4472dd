package accounts_test

import (
	"fmt"

	"github.com/sugarlabs/beamrider/replica/accounts"
)

func ExamplePlan() {
	list, err := accounts.Plan(accounts.Config{
		Hosts:       []string{"10.0.0.%"},
		Database:    "library",
		Application: accounts.Account{User: "remora"},
		Migrations:  accounts.Account{User: "migrator"},
		Replication: accounts.Account{User: "replication"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range list {
		fmt.Println(s) // s.SQL() has the passwords
	}
	// Output:
	// SET SESSION sql_mode = 'NO_AUTO_CREATE_USER,NO_BACKSLASH_ESCAPES'
	// CREATE DATABASE IF NOT EXISTS `library` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
	// CREATE USER IF NOT EXISTS 'remora'@'10.0.0.%' IDENTIFIED BY '…'
	// GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES ON `library`.* TO 'remora'@'10.0.0.%'
	// GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO 'remora'@'10.0.0.%'
	// CREATE USER IF NOT EXISTS 'migrator'@'10.0.0.%' IDENTIFIED BY '…'
	// GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE ON `library`.* TO 'migrator'@'10.0.0.%'
	// GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO 'migrator'@'10.0.0.%'
	// CREATE USER IF NOT EXISTS 'replication'@'10.0.0.%' IDENTIFIED BY '…'
	// GRANT REPLICATION SLAVE ON *.* TO 'replication'@'10.0.0.%'
}
