package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
)

func TestACustomerIsToldNothingOfTheRoutesOfOthers(t *testing.T) {
	t.Parallel()
	none := func(c *Config) {
		c.Route = func(job.Upload) (*job.Job, string) { return nil, `the route takes the bucket "of-acme"` }
	}
	operator := newDock(t, none)
	shop := newDock(t, func(c *Config) { none(c); keyed(Key{Customer: "shop"})(c) })
	for d, told := range map[*dock]bool{operator: true, shop: false} {
		got := d.post("/v1/uploads?name=a.stl", "x")
		require.Equal(t, http.StatusUnprocessableEntity, got.Status)
		require.Contains(t, got.Detail, `none is found for "a.stl"`)
		if told {
			require.Contains(t, got.Detail, "of-acme")
		} else {
			require.NotContains(t, got.Detail, "of-acme")
		}
	}
}
