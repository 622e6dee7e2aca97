// Package blobtest is what every blob.Store must do.
package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
)

// Run holds a store to the promises of blob.Store. open returns an empty store; it is called once for each promise.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, blob.Store)
	}{
		{"what is created can be read", createdCanBeRead},
		{"create does not replace", createDoesNotReplace},
		{"of many creators exactly one wins", oneCreatorWins},
		{"create works in folders that many make at once", createInNewFolders},
		{"put replaces the whole object", putReplaces},
		{"put that fails changes nothing", failedPutChangesNothing},
		{"a reader never sees a part", readersNeverSeeAPart},
		{"what is not there is ErrNotFound", notFound},
		{"delete removes and forgives", deleteRemoves},
		{"list is sorted by key", listIsSorted},
		{"list takes any prefix", listPrefix},
		{"list goes on after a key", listAfter},
		{"list stops when its caller does", listStops},
		{"keys that could leave the store are refused", badKeys},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

func read(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	b, err := blob.ReadAll(t.Context(), s, key, 1<<20)
	require.NoError(t, err)
	return string(b)
}

func put(t *testing.T, s blob.Store, key, body string) {
	t.Helper()
	in, err := s.Put(t.Context(), key, strings.NewReader(body), blob.PutOptions{})
	require.NoError(t, err)
	require.Equal(t, key, in.Key)
	require.Equal(t, int64(len(body)), in.Size)
}

func keys(t *testing.T, s blob.Store, prefix, after string) []string {
	t.Helper()
	var got []string
	for in, err := range s.List(t.Context(), prefix, after) {
		require.NoError(t, err)
		got = append(got, in.Key)
	}
	return got
}

func createdCanBeRead(t *testing.T, s blob.Store) {
	require.NoError(t, s.Create(t.Context(), "a/b/c", []byte("hello")))
	require.NoError(t, s.Create(t.Context(), "a/b/empty", nil))
	r, in, err := s.Open(t.Context(), "a/b/c")
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	require.Equal(t, "a/b/c", in.Key)
	require.Equal(t, int64(5), in.Size)
	require.False(t, in.Modified.IsZero())
	require.Equal(t, "hello", read(t, s, "a/b/c"))
	require.Empty(t, read(t, s, "a/b/empty"))
}

func createDoesNotReplace(t *testing.T, s blob.Store) {
	require.NoError(t, s.Create(t.Context(), "k", []byte("first")))
	require.ErrorIs(t, s.Create(t.Context(), "k", []byte("second")), blob.ErrExists)
	require.Equal(t, "first", read(t, s, "k"))
	require.Equal(t, []string{"k"}, keys(t, s, "", ""))
}

func oneCreatorWins(t *testing.T, s blob.Store) {
	const creators, rounds = 8, 20
	for round := range rounds {
		key := fmt.Sprintf("race/%d", round)
		var wg sync.WaitGroup
		errs := make([]error, creators)
		for i := range creators {
			wg.Go(func() { errs[i] = s.Create(t.Context(), key, fmt.Appendf(nil, "creator %d", i)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, -1, winner, "two creators won")
				winner = i
				continue
			}
			require.ErrorIs(t, err, blob.ErrExists)
		}
		require.Equal(t, fmt.Sprintf("creator %d", winner), read(t, s, key))
	}
}

func createInNewFolders(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		wg.Go(func() { errs[i] = s.Create(t.Context(), fmt.Sprintf("x/%d/y/%02d", i%3, i), nil) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Len(t, keys(t, s, "x/", ""), len(errs))
}

func putReplaces(t *testing.T, s blob.Store) {
	put(t, s, "a/k", "a long first object")
	put(t, s, "a/k", "short")
	require.Equal(t, "short", read(t, s, "a/k"))
	_, err := s.Put(t.Context(), "a/k", strings.NewReader("relaxed"), blob.PutOptions{Relaxed: true})
	require.NoError(t, err)
	require.Equal(t, "relaxed", read(t, s, "a/k"))
}

func failedPutChangesNothing(t *testing.T, s blob.Store) {
	broken := errors.New("source broke")
	half := func() io.Reader {
		return io.MultiReader(strings.NewReader(strings.Repeat("half", 1<<16)), iotest.ErrReader(broken))
	}
	_, err := s.Put(t.Context(), "fresh", half(), blob.PutOptions{})
	require.ErrorIs(t, err, broken)
	put(t, s, "old", "as it was")
	_, err = s.Put(t.Context(), "old", half(), blob.PutOptions{})
	require.ErrorIs(t, err, broken)
	require.Equal(t, "as it was", read(t, s, "old"))
	require.Equal(t, []string{"old"}, keys(t, s, "", ""))
}

func readersNeverSeeAPart(t *testing.T, s blob.Store) {
	const size = 1 << 18
	put(t, s, "k", strings.Repeat("0", size))
	var wg sync.WaitGroup
	var putErr error
	wg.Go(func() {
		for i := range 20 {
			body := strings.NewReader(strings.Repeat(fmt.Sprint(i%10), size))
			_, err := s.Put(t.Context(), "k", body, blob.PutOptions{Relaxed: true})
			putErr = errors.Join(putErr, err)
		}
	})
	for range 40 {
		got := read(t, s, "k")
		require.Len(t, got, size)
		require.Equal(t, size, strings.Count(got, got[:1]), "two objects in one")
	}
	wg.Wait()
	require.NoError(t, putErr)
}

func notFound(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	for _, key := range []string{"none", "a", "a/none", "a/b/c"} {
		_, _, err := s.Open(t.Context(), key)
		require.ErrorIs(t, err, blob.ErrNotFound, key)
	}
}

func deleteRemoves(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	require.NoError(t, s.Delete(t.Context(), "a"))
	require.Equal(t, "x", read(t, s, "a/b"))
	require.NoError(t, s.Delete(t.Context(), "a/b"))
	require.NoError(t, s.Delete(t.Context(), "a/b"))
	require.NoError(t, s.Delete(t.Context(), "never/was"))
	require.Empty(t, keys(t, s, "", ""))
	require.NoError(t, s.Create(t.Context(), "a/b", []byte("again")))
	require.Equal(t, "again", read(t, s, "a/b"))
}

// tree is in the order of its bytes: '-' < '.' < '/' < '0'.
var tree = [...]string{"a-b", "a.c", "a/b", "a/b-1", "a/c/d", "a0", "ä/x"}

func plant(t *testing.T, s blob.Store) {
	t.Helper()
	for i := range tree {
		put(t, s, tree[len(tree)-1-i], "x")
	}
}

func listIsSorted(t *testing.T, s blob.Store) {
	require.Empty(t, keys(t, s, "", ""))
	plant(t, s)
	require.Equal(t, tree[:], keys(t, s, "", ""))
}

func listPrefix(t *testing.T, s blob.Store) {
	plant(t, s)
	require.Equal(t, []string{"a/b", "a/b-1", "a/c/d"}, keys(t, s, "a/", ""))
	require.Equal(t, []string{"a/b", "a/b-1"}, keys(t, s, "a/b", ""))
	require.Equal(t, []string{"a/c/d"}, keys(t, s, "a/c/", ""))
	require.Equal(t, tree[:6], keys(t, s, "a", ""))
	require.Empty(t, keys(t, s, "b", ""))
	require.Empty(t, keys(t, s, "a/b/", ""))
	require.Empty(t, keys(t, s, "none/at/all/", ""))
	require.Empty(t, keys(t, s, "../", ""))
}

func listAfter(t *testing.T, s blob.Store) {
	plant(t, s)
	for i, key := range tree {
		require.Equal(t, append([]string(nil), tree[i+1:]...), keys(t, s, "", key))
	}
	require.Equal(t, tree[6:], keys(t, s, "", "a1"))
	require.Equal(t, tree[5:], keys(t, s, "", "a/zzz"))
	require.Equal(t, []string{"a/c/d"}, keys(t, s, "a/", "a/b-1"))
	require.Empty(t, keys(t, s, "a/", "b"))
}

func listStops(t *testing.T, s blob.Store) {
	plant(t, s)
	var got []string
	for in, err := range s.List(t.Context(), "", "") {
		require.NoError(t, err)
		got = append(got, in.Key)
		if len(got) == 3 {
			break
		}
	}
	require.Equal(t, tree[:3], got)
}

func badKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{"", "/a", "a/", "../a", "a/../../b", ".", "a\x00", "a\n", `a\b`, strings.Repeat("k", 1025)} {
		_, putErr := s.Put(t.Context(), key, bytes.NewReader(nil), blob.PutOptions{})
		_, _, openErr := s.Open(t.Context(), key)
		for _, err := range []error{s.Create(t.Context(), key, nil), putErr, openErr, s.Delete(t.Context(), key)} {
			_, ok := errors.AsType[*blob.KeyError](err)
			require.True(t, ok, "key %q: %v", key, err)
		}
	}
	require.Empty(t, keys(t, s, "", ""))
}
