package route_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/route"
)

func TestATableThatIsNoFileIsReadAgainAndABrokenOneChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, fails, reads := "routes: [{name: first, prefix: in/, pipeline: p}]", error(nil), 0
		table, err := route.Open(route.Config{File: "s3://b/routes.yaml", Log: slog.New(slog.DiscardHandler), Read: func() ([]byte, error) {
			reads++
			return []byte(text), fails
		}})
		require.NoError(t, err)
		rule := func() string {
			j, why := table.Route(put("in/x"))
			require.NotNil(t, j, why)
			return j.Name
		}
		for range 100 {
			require.Equal(t, "first", rule())
		}
		require.Equal(t, 1, reads)
		text = "routes: [{name: second, prefix: in/, pipeline: p}]"
		time.Sleep(11 * time.Second)
		require.Equal(t, "second", rule())
		text = "routes: [{nam: third}]"
		time.Sleep(11 * time.Second)
		require.Equal(t, "second", rule())
		fails = errors.New("the bucket does not answer")
		time.Sleep(11 * time.Second)
		require.Equal(t, "second", rule())
		require.Equal(t, 4, reads)
		_, err = route.Open(route.Config{File: "routes.yaml", Read: func() ([]byte, error) { return nil, fails }})
		require.ErrorIs(t, err, fails)
	})
}
