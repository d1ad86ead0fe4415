// Package migrations holds the schema, one step a pair of files:
// NNNN_name.up.sql and NNNN_name.down.sql. A step adds first; what it makes
// needless is removed a release later.
package migrations

import "embed"

// Files are the migrations.
//
//go:embed *.sql
var Files embed.FS
