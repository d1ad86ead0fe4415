package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Seeded is what was made.
type Seeded struct {
	Orders    int64            `json:"orders"`
	Closes    int64            `json:"closes"`
	Endings   map[string]int64 `json:"endings"`
	Rows      int64            `json:"rows"`
	Seconds   float64          `json:"seconds"` // of writing
	RowsPer   float64          `json:"rows_per_second"`
	Tidying   float64          `json:"vacuum_seconds"`
	Tables    []SeededTable    `json:"tables"`
	Database  int64            `json:"database_bytes"`
	WaitFirst time.Time        `json:"first_close,omitzero"`
	WaitLast  time.Time        `json:"last_close,omitzero"`
}

// SeededTable is one table, with what else is in it.
type SeededTable struct {
	Name  string `json:"table"`
	Rows  int64  `json:"rows"`  // written
	Bytes int64  `json:"bytes"` // on disk, with its indexes
}

// tidyUp brings a database to where it would be after a while: its visibility
// maps and statistics are made, and nothing is left to be written. Not everybody
// may ask for a checkpoint.
func tidyUp(ctx context.Context, url string, say func(string, ...any)) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, t := range tables {
		say("vacuuming %s", t.name)
		if _, err := conn.Exec(ctx, "VACUUM (ANALYZE) "+t.name); err != nil {
			return fmt.Errorf("vacuum %s: %w", t.name, err)
		}
	}
	if _, err := conn.Exec(ctx, "VACUUM (ANALYZE) stock"); err != nil {
		return fmt.Errorf("vacuum stock: %w", err)
	}
	say("waiting for a checkpoint")
	_, _ = conn.Exec(ctx, "CHECKPOINT")
	return nil
}

// measureTables asks how large everything is; a partitioned table is the sum of
// its partitions.
func measureTables(ctx context.Context, url string, v *Seeded) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for i := range v.Tables {
		name := "'" + v.Tables[i].Name + "'::regclass"
		v.Tables[i].Bytes, err = one(ctx, conn, "SELECT (pg_total_relation_size("+name+
			") + coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree("+name+") WHERE relid <> "+name+"), 0))::bigint")
		if err != nil {
			return fmt.Errorf("measure %s: %w", v.Tables[i].Name, err)
		}
	}
	v.Database, err = one(ctx, conn, "SELECT pg_database_size(current_database())")
	return err
}
