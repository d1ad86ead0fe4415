package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/migrations"
)

// template gives the name of a migrated database to copy, made by whoever needs
// it first. Its name tells the schema, so another checkout's template never
// fits by mistake; on a server that lives long, the old ones may be dropped.
func (h *host) template(ctx context.Context) (string, error) {
	sum, err := fingerprint(migrations.Files)
	if err != nil {
		return "", err
	}
	name := h.named("template", sum)
	if there, err := h.exists(ctx, name); err != nil || there {
		return name, err
	}
	if _, err := h.conn.Exec(ctx, "SELECT pg_advisory_lock($1, 0)", templateLock); err != nil {
		return "", fmt.Errorf("wait for the template: %w", err)
	}
	defer h.conn.Exec(ctx, "SELECT pg_advisory_unlock($1, 0)", templateLock) //nolint:errcheck // ends with the connection
	if there, err := h.exists(ctx, name); err != nil || there {
		return name, err
	}
	return name, h.makeTemplate(ctx, name)
}

func (h *host) exists(ctx context.Context, name string) (there bool, err error) {
	err = h.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there)
	return there, err
}

// makeTemplate migrates a database under another name and renames it when it is
// complete: a killed test binary leaves no half-made template.
func (h *host) makeTemplate(ctx context.Context, name string) error {
	draft := name + "_new"
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS " + quote(draft) + " WITH (FORCE)",
		"CREATE DATABASE " + quote(draft) + " TEMPLATE template0 ENCODING 'UTF8'",
	} {
		if _, err := h.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make template (the user of DATABASE_URL needs CREATEDB): %w", err)
		}
	}
	sum, err := migrate(ctx, h.urlOf(draft))
	if err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	for _, statement := range []string{
		"COMMENT ON DATABASE " + quote(draft) + " IS '" + sum + "'",
		"ALTER DATABASE " + quote(draft) + " ALLOW_CONNECTIONS false",
		"ALTER DATABASE " + quote(draft) + " RENAME TO " + quote(name),
	} {
		if _, err := h.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make template: %w", err)
		}
	}
	return nil
}

// migrate says what shape the database has then.
func migrate(ctx context.Context, url string) (sum string, err error) {
	d, err := db.Open(ctx, url, 2)
	if err != nil {
		return "", err
	}
	defer d.Close()
	if _, err := d.Migrate(ctx); err != nil {
		return "", err
	}
	err = d.QueryRowContext(ctx, shape).Scan(&sum)
	return sum, err
}

// fingerprint is a short hash over the names and contents of all files.
func fingerprint(files fs.FS) (string, error) {
	names, err := fs.Glob(files, "*")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
