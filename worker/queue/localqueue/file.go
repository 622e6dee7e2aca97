package localqueue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// applicationID marks our files ("mill").
	applicationID = 0x6d696c6c
	schemaVersion = 2
	// busyWait is how long a transaction waits for those of other processes.
	busyWait = 10 * time.Second
)

// open makes the file when it is missing, and opens both connections.
func (d *Driver) open(ctx context.Context) error {
	path, err := filepath.Abs(d.file)
	if err != nil {
		return err
	}
	if err := create(path); err != nil {
		return err
	}
	if d.write, err = connect(path, "synchronous(FULL)", "secure_delete(1)", "journal_size_limit(16777216)"); err != nil {
		return err
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if d.read, err = connect(path, "query_only(1)"); err != nil {
		return err
	}
	return nil
}

// create makes the folder and an empty file that only its owner may read. The rest is one transaction, so a queue that
// was interrupted here is finished by whoever opens it next.
func create(path string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	name, err := networkFilesystem(folder)
	if err != nil {
		return err
	}
	if name != "" {
		return fmt.Errorf("%s is on %s, where several workers would corrupt the file: use a local disk", folder, name)
	}
	// Only who makes the file opens it here: closing it would drop SQLite's locks on it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// connect returns a database with one connection, which stays open.
func connect(path string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyWait.Milliseconds()))
	q.Add("_pragma", "cache_size(-512)")
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	name := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return db, nil
}

// prepare brings the file to our schema and its statements to life. Several processes may do so at once.
func (d *Driver) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busyWait)
	defer cancel()
	for {
		err := d.migrate(ctx)
		if err == nil {
			break
		}
		// The change to WAL needs the file alone and does not wait for its turn.
		if !isBusy(err) || !pause(ctx, 10*time.Millisecond) {
			return err
		}
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	d.verbs, err = prepare(ctx, conn)
	return err
}

func (d *Driver) migrate(ctx context.Context) error {
	var version, application, tables int
	row := d.write.QueryRowContext(ctx, `select (select user_version from pragma_user_version),
		(select application_id from pragma_application_id), (select count(*) from sqlite_master)`)
	if err := row.Scan(&version, &application, &tables); err != nil {
		if code(err) == sqlite3.SQLITE_NOTADB {
			return errors.New("the file is not a queue: name another one")
		}
		return err
	}
	switch {
	case tables > 0 && application != applicationID:
		return errors.New("the file belongs to another program: name another one")
	case version > schemaVersion:
		return fmt.Errorf("the file was written by a newer millrace (schema %d, this one knows %d): upgrade, or name another file",
			version, schemaVersion)
	}
	var mode string
	if err := d.write.QueryRowContext(ctx, `pragma journal_mode = wal`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the filesystem has no shared memory for SQLite (journal mode %q): use a local disk", mode)
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit there is nothing to roll back
	if version < schemaVersion {
		_, err := tx.ExecContext(ctx, schema)
		switch {
		case code(err) == sqlite3.SQLITE_ERROR:
			return errors.New("the file's tables are not a queue's: name another one")
		case err != nil:
			return err
		}
	}
	if err := d.adopt(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// adopt brings the times of a file that was last open before a reboot onto this boot's clock: leases are void, and a
// delay lasts as long as the wall clock says is left of it.
func (d *Driver) adopt(ctx context.Context, tx *sql.Tx) error {
	var last string
	if err := tx.QueryRowContext(ctx, `select boot from clock`).Scan(&last); err != nil || last == d.boot {
		return err
	}
	if _, err := tx.ExecContext(ctx, adoptSQL, d.clock(), time.Now().UnixNano()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `update clock set boot = ?`, d.boot)
	return err
}

func isBusy(err error) bool {
	return code(err) == sqlite3.SQLITE_BUSY || code(err) == sqlite3.SQLITE_LOCKED
}

// code is SQLite's primary code of an error; 0 where it has none.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// pause waits for d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
