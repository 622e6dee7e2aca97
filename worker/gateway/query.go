package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/record"
)

const (
	defaultPage  = 50
	maxPage      = 200
	defaultSince = 24 * time.Hour
)

// nobody is a prefix that no job's ID has.
const nobody = "."

// listQuery reads what a list is asked for. A customer's key lists its own jobs.
func (g *Gateway) listQuery(c *call) (q desk.Query, err error) {
	given, err := c.query("since", "status", "prefix", "limit", "cursor")
	if err != nil {
		return q, err
	}
	q.Effort, q.Limit, q.Prefix = listEffort, defaultPage, given.Get("prefix")
	if own := c.key.prefix(); strings.HasPrefix(own, q.Prefix) {
		q.Prefix = own
	} else if !strings.HasPrefix(q.Prefix, own) {
		q.Prefix = nobody
	}
	if text := given.Get("since"); text != "" {
		if q.Since, err = sinceOf(text, time.Now()); err != nil {
			return q, err
		}
	} else if given.Get("prefix") == "" {
		q.Since = time.Now().Add(-defaultSince)
	}
	if text := given.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxPage {
			return q, problem(http.StatusBadRequest, fmt.Sprintf("limit: %.40q is no number from 1 to %d", text, maxPage))
		}
	}
	if q.Status, err = statuses(given.Get("status")); err != nil {
		return q, err
	}
	if q.After, err = record.ParsePlace(given.Get("cursor")); err != nil {
		return q, problem(http.StatusBadRequest, "cursor: "+err.Error()+"; take the one that the page before has as its next")
	}
	return q, nil
}

// query is what follows the path's "?": each of the names at most once, and no other.
func (c *call) query(names ...string) (url.Values, error) {
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "the query of the URL can't be read: encode what it holds by percent signs")
	}
	for name, values := range given {
		switch {
		case !slices.Contains(names, name):
			return nil, problem(http.StatusBadRequest, fmt.Sprintf("%.40q is no parameter of this operation: it has %s", name, strings.Join(names, ", ")))
		case len(values) > 1:
			return nil, problem(http.StatusBadRequest, fmt.Sprintf("%s is given %d times: give it once", name, len(values)))
		}
	}
	return given, nil
}

// sinceOf reads a moment, "2026-01-31T12:00:00Z", or how long ago one was, "12h".
func sinceOf(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, problem(http.StatusBadRequest, fmt.Sprintf("since: %.40q is no time; write it like 2026-01-31T12:00:00Z, or 12h", text))
	}
	return now.Add(-ago), nil
}

// statuses reads "RUNNING,RETRYING", in any case.
func statuses(text string) (all []record.Status, err error) {
	if text == "" {
		return nil, nil
	}
	known := []record.Status{record.Queued, record.Running, record.Retrying, record.Succeeded, record.Failed, record.Dead, record.Cancelled}
	for part := range strings.SplitSeq(text, ",") {
		s := record.Status(strings.ToUpper(strings.TrimSpace(part)))
		if !slices.Contains(known, s) {
			return nil, problem(http.StatusBadRequest, fmt.Sprintf("status: %.40q is none of %v", part, known))
		}
		all = append(all, s)
	}
	return all, nil
}
