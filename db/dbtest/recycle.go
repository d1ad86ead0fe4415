package dbtest

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// A database is some six hundred files, and to make and to drop one takes the
// server longer than most tests take. So the database of a place stays when its
// test has ended, and the next test there empties it: of rows only, whatever else
// a test changed has it made anew.

// emptied has all tables empty and all sequences at their start, as in a template.
// The triggers that keep tables append-only must be off, which takes a superuser.
const emptied = `DO $$
DECLARE name regclass;
BEGIN
	SET LOCAL session_replication_role = replica;
	FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'goose_db_version' LOOP
		EXECUTE 'DELETE FROM ONLY ' || name;
	END LOOP;
	PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence WHERE seqrelid <> 'goose_db_version_id_seq'::regclass;
END $$`

// shape is a hash over all that emptied leaves: it is the template's as long as no
// test changed more than rows. A database that has grown large has another too, as
// what was deleted is still in its files.
const shape = `
WITH ours AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'archive'))
SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")) FROM (
	SELECT format('relation %s %s %s %s', oid::regclass, relkind, reloptions, pg_get_expr(relpartbound, oid)) FROM ours
	UNION ALL SELECT format('column %s.%s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull, pg_get_expr(adbin, adrelid))
		FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE attrelid IN (SELECT oid FROM ours) AND attnum > 0 AND NOT attisdropped
	UNION ALL SELECT format('view %s %s', oid::regclass, pg_get_viewdef(oid)) FROM ours WHERE relkind = 'v'
	UNION ALL SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index WHERE indrelid IN (SELECT oid FROM ours)
	UNION ALL SELECT format('constraint %s on %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid IN (SELECT oid FROM ours)
	UNION ALL SELECT format('trigger %s on %s %s', tgname, tgrelid::regclass, tgenabled) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM ours)
	UNION ALL SELECT format('function %s %s', oid::regprocedure, md5(prosrc)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
	UNION ALL SELECT format('schema %s', nspname) FROM pg_namespace WHERE nspname !~ '^pg_.*temp_'
	UNION ALL SELECT format('extension %s', extname) FROM pg_extension
	UNION ALL SELECT format('setting %s', setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
	UNION ALL SELECT format('migration %s %s', version_id, is_applied) FROM goose_db_version
	UNION ALL SELECT 'large' WHERE pg_database_size(current_database()) > 64 << 20
) AS all_of_it (line)`

// recycle empties what an earlier test left in this place. It says no when there is
// nothing that becomes as good as a copy of the template.
func (h *host) recycle(ctx context.Context, template string) bool {
	if err := h.cutOff(ctx); err != nil {
		return false
	}
	conn, err := pgx.Connect(ctx, h.urlOf(h.name))
	if err != nil {
		return false
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, emptied); err != nil {
		return false
	}
	var is, want string
	err = errors.Join(
		conn.QueryRow(ctx, shape).Scan(&is),
		h.conn.QueryRow(ctx, "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1", template).Scan(&want))
	return err == nil && is == want
}

// cutOff ends the connections of whoever is still connected to the test's database.
func (h *host) cutOff(ctx context.Context) error {
	_, err := h.conn.Exec(ctx, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'", h.name)
	return err
}
