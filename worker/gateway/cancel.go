package gateway

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/record"
)

func (g *Gateway) cancelOperations() []operation {
	return []operation{
		{
			method: http.MethodDelete, path: "/v1/jobs/{id}", scope: Operate, serve: g.cancelJob,
			summary: "Stop a job, or keep it from being run",
			about:   "Asking again changes nothing: the first reason stands. 200 says that it was canceled already, 409 that it ended otherwise.",
			query:   []parameter{{"why", "the reason, for the record", ""}},
			gives:   map[int]any{http.StatusAccepted: desk.Canceled{}, http.StatusOK: desk.Canceled{}},
		},
	}
}

// maxWhy is the longest reason of a cancellation, in bytes.
const maxWhy = 500

// cancelJob writes down that a job is to stop, and answers 202; asking again changes nothing. One that was canceled already is 200, one
// that ended otherwise 409.
func (g *Gateway) cancelJob(c *call) error {
	id, err := g.jobOf(c)
	if err != nil {
		return err
	}
	given, err := c.query("why")
	if err != nil {
		return err
	}
	why := given.Get("why")
	if why == "" {
		why = fmt.Sprintf("canceled at the gateway, by the key %s", c.key.Name)
	}
	if len(why) > maxWhy {
		return problem(http.StatusBadRequest, fmt.Sprintf("why: it has %d bytes; write at most %d", len(why), maxWhy))
	}
	done, err := g.cfg.Desk.Cancel(c.r.Context(), id, why)
	status := http.StatusAccepted
	if over, ok := errors.AsType[*record.FinalError](err); ok {
		if over.Final.Status != record.Cancelled {
			return problem(http.StatusConflict, fmt.Sprintf("job %s is over already: %s", id, over.Final.Status))
		}
		status, err = http.StatusOK, nil
		done = desk.Canceled{ID: id, Status: record.Cancelled, Detail: "it is over already: " + string(record.Cancelled)}
	}
	if err != nil {
		return c.lookup(err)
	}
	return writeJSON(c.w, status, done)
}
