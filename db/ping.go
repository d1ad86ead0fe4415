package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Reach says whether the database answers, whatever is in it.
func (d *DB) Reach(ctx context.Context) error {
	return wrap(d.PingContext(ctx), "reach the database")
}

// Ping says whether the database answers and has the schema that this release
// needs. A newer schema is well: migrations add first and remove a release
// later, so this release still runs while the next is rolled out.
func (d *DB) Ping(ctx context.Context) error {
	steps, err := read()
	if err != nil {
		return err
	}
	var needed int64
	for version := range steps {
		needed = max(needed, version)
	}
	var has int64
	err = d.NewSelect().Table("goose_db_version").ColumnExpr("coalesce(max(version_id), 0)").Where("is_applied").Scan(ctx, &has)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // no such table: never migrated
		has, err = 0, nil
	}
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	if has < needed {
		return fmt.Errorf("the schema is at version %d, this release needs %d: run orderflow migrate up", has, needed)
	}
	return nil
}
