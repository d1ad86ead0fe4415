package db

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/orderflow/orderflow/db/migrations"
)

// Migration is one step of the schema and whether the database has it.
type Migration struct {
	Version int64
	Name    string
	Applied bool
}

// Migrate brings the schema up to this release's, makes this month's partitions
// and the next's, and says which steps it took.
// Several processes may call it at once: an advisory lock lets one work.
func (d *DB) Migrate(ctx context.Context) ([]Migration, error) {
	p, err := d.provider()
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	if err == nil {
		_, err = d.EnsureAhead(ctx, time.Now())
	}
	return taken(results), wrap(err, "migrate up")
}

// MigrateDown takes the newest step back. Its tables' data are gone.
func (d *DB) MigrateDown(ctx context.Context) (Migration, error) {
	p, err := d.provider()
	if err != nil {
		return Migration{}, err
	}
	r, err := p.Down(ctx)
	if err != nil {
		return Migration{}, wrap(err, "migrate down")
	}
	return taken([]*goose.MigrationResult{r})[0], nil
}

// Migrations lists this release's steps.
func (d *DB) Migrations(ctx context.Context) ([]Migration, error) {
	p, err := d.provider()
	if err != nil {
		return nil, err
	}
	steps, err := p.Status(ctx)
	if err != nil {
		return nil, wrap(err, "migration status")
	}
	names, err := read()
	if err != nil {
		return nil, err
	}
	var out []Migration
	for _, s := range steps {
		out = append(out, Migration{s.Source.Version, names[s.Source.Version].name, s.State == goose.StateApplied})
	}
	return out, nil
}

func taken(results []*goose.MigrationResult) (out []Migration) {
	names, _ := read()
	for _, r := range results {
		out = append(out, Migration{r.Source.Version, names[r.Source.Version].name, r.Direction == "up"})
	}
	return out
}

func wrap(err error, op string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

func (d *DB) provider() (*goose.Provider, error) {
	steps, err := read()
	if err != nil {
		return nil, err
	}
	var list []*goose.Migration
	for version, s := range steps {
		list = append(list, goose.NewGoMigration(version, run(s.up), run(s.down)))
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, d.DB.DB, nil,
		goose.WithGoMigrations(list...), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

func run(text string) *goose.GoFunc {
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}}
}

type step struct{ name, up, down string }

// read pairs the embedded files by their number.
func read() (map[int64]step, error) {
	files, err := fs.Glob(migrations.Files, "*.up.sql")
	if err != nil {
		return nil, err
	}
	steps := map[int64]step{}
	for _, up := range files {
		name := strings.TrimSuffix(up, ".up.sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: want NNNN_name.up.sql", up)
		}
		upText, err := fs.ReadFile(migrations.Files, up)
		if err != nil {
			return nil, err
		}
		downText, err := fs.ReadFile(migrations.Files, name+".down.sql")
		if err != nil {
			return nil, err
		}
		steps[version] = step{name, string(upText), string(downText)}
	}
	return steps, nil
}
