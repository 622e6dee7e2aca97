package route_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

// Its uploader waits for the job: an upload that nobody wants is another thing.
func TestAnUploadThatARouteTakesAndCantMakeAJobOfIsAnError(t *testing.T) {
	t.Parallel()
	rs := parse(t, "routes: [{name: own, prefix: in/, pipeline: p, customer: '{{ name }}'}]")
	j, why, err := rs.Make(put("in/Not A Customer"))
	require.Nil(t, j)
	require.Empty(t, why)
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.ErrorContains(t, err, `route "own" of routes.yaml`)
	_, _, err = rs.Make(put("in/-acme"))
	require.ErrorContains(t, err, `customer comes to "-acme"`, "its ID would begin with a dash, and be replaced by a digest")
	j, why, err = rs.Make(put("elsewhere"))
	require.NoError(t, err)
	require.Nil(t, j)
	require.NotEmpty(t, why)
}
