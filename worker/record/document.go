package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// maxDocumentBytes is the largest pipeline that is read.
const maxDocumentBytes = 8 << 20

// keptFor is how long a Book relies on a document that it has seen in the store: one that is removed there is written
// again when a job runs it later than that.
const keptFor = time.Hour

// ErrNoDocument says that no worker has kept a document of this name and digest.
var ErrNoDocument = errors.New("no worker has run this version of the pipeline with this store")

// KeepDocument puts a pipeline under its name and digest ("sha256:…"), where Document finds it however the catalogue
// changes. Only what is the operator's own may be kept: it is trusted when it is read. One that this Book
// has kept within the last hour costs nothing.
func (b *Book) KeepDocument(ctx context.Context, name, digest string, doc []byte) error {
	key, err := documentKey(name, digest)
	if err != nil {
		return err
	}
	if b.hasKept(key) {
		return nil
	}
	if err := b.store.Create(ctx, key, doc); err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("keep pipeline %s: %w", name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept[key] = b.now()
	return nil
}

// hasKept says whether the document was seen in the store within keptFor, and forgets those that were not.
func (b *Book) hasKept(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	maps.DeleteFunc(b.kept, func(_ string, seen time.Time) bool { return now.Sub(seen) >= keptFor })
	_, ok := b.kept[key]
	return ok
}

// Document returns a pipeline that KeepDocument was given, or ErrNoDocument. One that is not what its digest says is a
// permanent error.
func (b *Book) Document(ctx context.Context, name, digest string) ([]byte, error) {
	key, err := documentKey(name, digest)
	if err != nil {
		return nil, err
	}
	doc, err := blob.ReadAll(ctx, b.store, key, maxDocumentBytes)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return nil, ErrNoDocument
	case err != nil:
		return nil, fmt.Errorf("read pipeline %s: %w", name, err)
	}
	if sum := sha256.Sum256(doc); "sha256:"+hex.EncodeToString(sum[:]) != digest {
		return nil, damaged("the pipeline %s in the store is damaged: it is not %s; remove it and run the job again", key, digest)
	}
	return doc, nil
}

func documentKey(name, digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	key := "pipelines/" + name + "/" + sum
	if err := blob.CheckKey(key); !ok || err != nil || strings.Contains(name, "/") || strings.Contains(sum, "/") {
		return "", damaged("pipeline %.100q of version %.100q can't be kept", name, digest)
	}
	return key, nil
}
