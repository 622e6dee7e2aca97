package record_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

func TestAKeptDocumentIsWrittenOnceAndReadBack(t *testing.T) {
	store := &counting{Store: newStore(t)}
	b := newBook(store)
	doc := []byte("tasks: []")
	digest := pipelines.Digest(doc)
	for range 3 {
		require.NoError(t, b.KeepDocument(t.Context(), "p", digest, doc))
	}
	require.Equal(t, 1, store.creates)
	require.NoError(t, newBook(store).KeepDocument(t.Context(), "p", digest, doc), "another worker finds it there")

	got, err := newBook(store).Document(t.Context(), "p", digest)
	require.NoError(t, err)
	require.Equal(t, doc, got)
	_, err = b.Document(t.Context(), "other", digest)
	require.ErrorIs(t, err, record.ErrNoDocument, "a digest is one of its pipeline, not of another")
}

func TestADocumentThatWasRemovedIsWrittenAgainAnHourLater(t *testing.T) {
	store := newStore(t)
	now := noon
	b := record.New(store, func() time.Time { return now })
	doc := []byte("tasks: []")
	digest := pipelines.Digest(doc)
	require.NoError(t, b.KeepDocument(t.Context(), "p", digest, doc))
	require.NoError(t, store.Delete(t.Context(), "pipelines/p/"+strings.TrimPrefix(digest, "sha256:")))
	now = now.Add(59 * time.Minute)
	require.NoError(t, b.KeepDocument(t.Context(), "p", digest, doc))
	_, err := b.Document(t.Context(), "p", digest)
	require.ErrorIs(t, err, record.ErrNoDocument)
	now = now.Add(time.Minute)
	require.NoError(t, b.KeepDocument(t.Context(), "p", digest, doc))
	got, err := b.Document(t.Context(), "p", digest)
	require.NoError(t, err)
	require.Equal(t, doc, got)
}

func TestADocumentThatIsNotWhatItsDigestSaysIsNotRun(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	digest := pipelines.Digest([]byte("tasks: []"))
	_, err := store.Put(t.Context(), "pipelines/p/"+strings.TrimPrefix(digest, "sha256:"), strings.NewReader("tasks: [{module: Shell}]"), blob.PutOptions{})
	require.NoError(t, err)
	_, err = b.Document(t.Context(), "p", digest)
	require.ErrorContains(t, err, "is damaged: it is not "+digest)
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.Error(t, b.KeepDocument(t.Context(), "../jobs", digest, nil))
}

func TestADocumentThatCanNotBeKeptIsTriedAgain(t *testing.T) {
	b := newBook(&shaky{Store: newStore(t)})
	require.ErrorIs(t, b.KeepDocument(t.Context(), "p", "sha256:x", nil), errCrash)
	require.NoError(t, b.KeepDocument(t.Context(), "p", "sha256:x", nil))
}

func TestLaterAttemptsCarryTheDocumentOfTheFirst(t *testing.T) {
	b := newBook(newStore(t))
	claimed := func(c record.Claim) *record.Attempt {
		a, err := b.Claim(t.Context(), newJob("j"), c)
		require.NoError(t, err)
		require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptFailed, Failure: &engine.Failure{Message: "why"}}))
		return a
	}
	require.Empty(t, claimed(record.Claim{}).Digest, "the catalogue could not be read")
	require.Equal(t, "sha256:1", claimed(record.Claim{Pipeline: "p.yaml", Digest: "sha256:1"}).Digest)
	later := claimed(record.Claim{Pipeline: "p.json", Digest: "sha256:2"})
	require.Equal(t, []string{"p.yaml", "sha256:1"}, []string{later.Pipeline, later.Digest})
	require.Equal(t, "sha256:1", claimed(record.Claim{}).Digest)
	require.Equal(t, "sha256:3", claimed(record.Claim{Digest: "sha256:3", Chosen: true}).Digest)
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, "sha256:3", r.Digest)
}
