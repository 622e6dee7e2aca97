package pods

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAListIsReadWholeOrNotAtAll(t *testing.T) {
	const list = `{"kind":"PodList","items":[{"metadata":{"name":"a"},"spec":{"x":[{}]}},{"metadata":{"name":"b"}}],"metadata":{"resourceVersion":"7"},"more":{"x":[1]}}`
	pods, version, err := readList(strings.NewReader(list))
	require.NoError(t, err)
	require.Equal(t, "7", version)
	require.Len(t, pods, 2)
	require.Equal(t, "b", pods["b"].Metadata.Name)
	for n := range list {
		_, _, err := readList(strings.NewReader(list[:n]))
		require.Error(t, err, list[:n])
	}
	for _, other := range []string{"[]", `"items"`, `{"items":{"metadata":{"name":"a"}}}`, `{"items":["a"]}`, `{"items":"a"}`, `{"metadata":7}`, "<html>"} {
		_, _, err := readList(strings.NewReader(other))
		require.Error(t, err, other)
	}
	pods, _, err = readList(strings.NewReader(`{"items":null,"metadata":{"resourceVersion":"7"}}`))
	require.NoError(t, err)
	require.Empty(t, pods)
}
