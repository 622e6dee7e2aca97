package hook_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/gateway/hook"
)

func TestADeliveryIsKnownToEveryGatewayOfAStore(t *testing.T) {
	dir := t.TempDir()
	s := source(t, "kind: token\nsecrets: [{env: PLAIN}]")
	open := func() hook.Seen {
		store, err := dirblob.Open(dir)
		require.NoError(t, err)
		return hook.Seen{Store: store}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := open().Note(t.Context(), s, "k", []int{i}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var first, again []int
	for _, into := range []*[]int{&first, &again} {
		ok, err := open().Look(t.Context(), s, "k", into)
		require.NoError(t, err)
		require.True(t, ok)
	}
	require.Len(t, first, 1)
	require.Equal(t, first, again, "the first note stands")

	ok, err := open().Look(t.Context(), s, "other", &first)
	require.NoError(t, err)
	require.False(t, ok)
	ok, err = open().Look(t.Context(), s, "", &first)
	require.NoError(t, err)
	require.False(t, ok, "what is not known by anything is never seen")
}

func TestADeliveryOfWhichMuchIsNotedIsKnown(t *testing.T) {
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	s, seen := source(t, "kind: token\nsecrets: [{env: PLAIN}]"), hook.Seen{Store: store}
	much := strings.Repeat("x", 30<<20)
	require.NoError(t, seen.Note(t.Context(), s, "k", much))
	var got string
	ok, err := seen.Look(t.Context(), s, "k", &got)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, got, len(much))
}

func TestASweepForgetsWhatIsOlderThanItsSourceSays(t *testing.T) {
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	table, err := hook.Config{Env: env}.Parse("h.yaml", []byte("sources: {s: {kind: none, remember: 2h}, long: {kind: none}}"))
	require.NoError(t, err)
	seen := hook.Seen{Store: store}
	for _, s := range table.Sources {
		require.NoError(t, seen.Note(t.Context(), s, "k", 1))
	}
	require.NoError(t, seen.Note(t.Context(), &hook.Source{Name: "removed"}, "k", 1))
	for _, tt := range []struct {
		after time.Duration
		want  int
		why   string
	}{
		{time.Hour, 0, "nothing is old"},
		{3 * time.Hour, 1, "s remembers for two hours"},
		{31 * 24 * time.Hour, 2, "a source that is no more is remembered as long as one that does not say"},
	} {
		removed, err := seen.Sweep(t.Context(), table, time.Now().Add(tt.after))
		require.NoError(t, err)
		require.Equal(t, tt.want, removed, tt.why)
	}
}
