package localqueue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A message is visible when visible_at has passed, in flight when it has not and there is a receipt, else delayed.
// Times called _at are nanoseconds of the machine's clock since boot; the others of the wall clock.
const schema = `
create table if not exists messages (
	seq        integer primary key,
	id         text    not null unique,
	enqueued   integer not null,
	visible_at integer not null,
	due        integer not null,           -- of a delayed message, to outlive a reboot; else 0
	delivery   integer not null default 0,
	receipt    text,
	attributes text    not null,           -- JSON, or empty
	body       blob    not null
);
create index if not exists messages_visible on messages (visible_at, seq);
create index if not exists messages_job on messages (json_extract(attributes, '$.job_id')) where attributes <> '';
create table if not exists dead (
	seq        integer primary key,
	id         text    not null,
	enqueued   integer not null,
	buried     integer not null,
	delivery   integer not null,
	reason     text    not null,
	attributes text    not null,
	body       blob    not null
);
create table if not exists clock (boot text not null);
insert into clock select '' where not exists (select 1 from clock);
pragma application_id = 1835625580;
pragma user_version = 2;
`

const (
	insertSQL = `insert into messages (id, enqueued, visible_at, due, attributes, body)
		values (?, ?, ?, ?, ?, ?)`
	takeSQL = `update messages
		set visible_at = ?1, receipt = seq || '.' || ?2, delivery = delivery + 1, due = 0
		where seq in (select seq from messages where visible_at <= ?3 order by visible_at, seq limit ?4)
		returning id, body, attributes, delivery, enqueued, receipt`
	extendSQL  = `update messages set visible_at = ? where seq = ? and receipt = ?`
	releaseSQL = `update messages set visible_at = ?, due = ?, receipt = null where seq = ? and receipt = ?`
	removeSQL  = `delete from messages where seq = ? and receipt = ?`
	burySQL    = `insert into dead (id, enqueued, buried, delivery, reason, attributes, body)
		select id, enqueued, ?2, delivery, ?1, attributes, body from messages where seq = ?3 and receipt = ?4`
	removeIdleSQL = `delete from messages where id = ? and (receipt is null or visible_at <= ?)`
	purgeSQL      = `delete from messages where receipt is null or visible_at <= ?`
	adoptSQL      = `update messages set receipt = null, due = 0,
		visible_at = ?1 + case when receipt is null then max(0, due - ?2) else 0 end`
	depthSQL = `select
		(select count(*) from messages where visible_at <= ?1),
		(select count(*) from messages where visible_at > ?1 and receipt is not null),
		(select count(*) from messages where visible_at > ?1 and receipt is null),
		(select count(*) from dead)`
	waitingSQL = `select seq, id, enqueued, visible_at, receipt is not null, delivery, attributes, body from messages`
	findSQL    = waitingSQL + ` where seq in (
		select seq from messages where id = ?1
		union select seq from messages where attributes <> '' and json_extract(attributes, '$.job_id') = ?1)
		order by seq limit 1`
	findPrefixSQL = waitingSQL + ` where seq in (
		select seq from messages where id >= ?1 and id < ?2
		union select seq from messages where attributes <> ''
			and json_extract(attributes, '$.job_id') >= ?1 and json_extract(attributes, '$.job_id') < ?2)
		and seq < ?3 order by seq desc limit ?4`
	deadSQL     = `select id, enqueued, buried, delivery, reason, attributes, body from dead`
	findDeadSQL = deadSQL + ` where id >= ?1 and id < ?2
		or json_extract(nullif(attributes, ''), '$.job_id') >= ?1 and json_extract(nullif(attributes, ''), '$.job_id') < ?2
		order by id = ?1 or json_extract(nullif(attributes, ''), '$.job_id') is ?1 desc, seq desc limit ?3`
	reviveSQL = `delete from dead where id = ?`
	nextSQL   = `select visible_at from messages order by visible_at limit 1`
)

// statements are prepared on the one connection that writes. Only a batch uses them, and there is one at a time.
type statements struct {
	conn                                        *sql.Conn
	insert, take, extend, release, remove, bury *sql.Stmt
	begin, end, undo                            *sql.Stmt
	all                                         []*sql.Stmt
}

func prepare(ctx context.Context, conn *sql.Conn) (*statements, error) {
	s := &statements{conn: conn}
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.insert, insertSQL},
		{&s.take, takeSQL},
		{&s.extend, extendSQL},
		{&s.release, releaseSQL},
		{&s.remove, removeSQL},
		{&s.bury, burySQL},
		{&s.begin, "begin immediate"},
		{&s.end, "commit"},
		{&s.undo, "rollback"},
	} {
		stmt, err := conn.PrepareContext(ctx, p.text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare %q: %w", p.text, err), s.close())
		}
		*p.stmt = stmt
		s.all = append(s.all, stmt)
	}
	return s, nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// A change is a verb's part of a transaction. It may run twice, and its error undoes the whole transaction.
type change func(ctx context.Context, s *statements) error

// commit runs changes in one transaction. When that fails each runs in one of its own, so that a change which can't be
// made spoils no other.
func (d *Driver) commit(ctx context.Context, cs []change) []error {
	ctx = context.WithoutCancel(ctx) // a transaction is short, and its callers want to know how it ended
	err := d.transact(ctx, cs)
	if err == nil {
		return nil
	}
	errs := make([]error, len(cs))
	if len(cs) == 1 || isBusy(err) {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	for i := range cs {
		errs[i] = d.transact(ctx, cs[i:i+1])
	}
	return errs
}

func (d *Driver) transact(ctx context.Context, cs []change) (err error) {
	defer func() {
		if err != nil {
			// SQLite may have undone the transaction by itself, or not begun it; then there is nothing to undo.
			_, _ = d.verbs.undo.ExecContext(ctx)
		}
	}()
	if _, err := d.verbs.begin.ExecContext(ctx); err != nil {
		return err
	}
	for _, c := range cs {
		if err := c(ctx, d.verbs); err != nil {
			return err
		}
	}
	_, err = d.verbs.end.ExecContext(ctx)
	return err
}
