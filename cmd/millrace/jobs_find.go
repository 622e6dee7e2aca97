package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

// find returns the record of a job by its ID, or by a beginning of it that only one job has. The error is a sentence, a
// *desk.NoJobError where there is none.
func find(ctx context.Context, v jobView, id string) (*record.Record, error) {
	safe := job.SafeID(id)
	r, err := v.Load(ctx, safe)
	missing, ok := errors.AsType[*desk.NoJobError](err)
	if !ok {
		return r, err
	}
	var ids []string
	if safe == id { // a digest shares its beginning with nothing
		if ids, err = startingWith(ctx, v, id); err != nil {
			return nil, err
		}
	}
	switch len(ids) {
	case 0:
		return nil, fmt.Errorf("%w; `millrace jobs list` shows what there is", &desk.NoJobError{ID: id, Unsearched: missing.Unsearched})
	case 1:
		return v.Load(ctx, ids[0])
	}
	return nil, fmt.Errorf("several jobs' IDs begin with %q (%s, …): write more of it", id, strings.Join(ids[:2], ", "))
}

// startingWith returns IDs that begin with prefix; two are enough to know that it is ambiguous.
func startingWith(ctx context.Context, v jobView, prefix string) (ids []string, err error) {
	rows, _, err := list(ctx, v, desk.Query{Prefix: prefix, Limit: 2})
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids, err
}

// findOrQueued is find that takes a job of which nothing is known for one that waits, where a queue can't be searched for it.
func findOrQueued(ctx context.Context, v jobView, id string) (*record.Record, error) {
	return desk.OrQueued(find(ctx, v, id))
}
