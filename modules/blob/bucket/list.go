package bucket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// pageSize is how many objects one call lists: as many as S3 gives.
const pageSize = 1000

// List implements [blob.Store]. Objects whose keys no store takes, like the "folders" of consoles, are left out,
// unless the bucket is Foreign.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 && !s.all && blob.CheckKey(prefix[:i]) != nil {
			return // no key begins with it
		}
		for more := true; more; {
			var page []blob.Info
			var err error
			if page, more, err = s.page(ctx, prefix, after); err != nil {
				yield(blob.Info{}, fmt.Errorf("list objects %s: %w", prefix, err))
				return
			}
			for _, in := range page {
				after = strings.TrimPrefix(in.Key, s.prefix)
				in.Key = after
				if (s.all || blob.CheckKey(in.Key) == nil) && !yield(in, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) page(ctx context.Context, prefix, after string) (page []blob.Info, more bool, err error) {
	if after != "" {
		after = s.prefix + after
	}
	err = s.try(ctx, "list "+s.name, func(ctx context.Context) (err error) {
		page, more, err = s.sdk.List(ctx, s.prefix+prefix, after, pageSize)
		return err
	})
	if err == nil {
		err = isAnswer(page, more, s.prefix+prefix, after)
	}
	return page, more, err
}

// errNotListed says that a listing is none of what was asked for: whoever believes it cuts names in pieces, or asks for ever.
var errNotListed = errors.New("the server lists other objects than it was asked for; check the endpoint")

// isAnswer holds a page to what was asked for: keys that begin with prefix, sorted, after `after`, each of a size that can be,
// and at least one where there are more.
func isAnswer(page []blob.Info, more bool, prefix, after string) error {
	for _, in := range page {
		if !strings.HasPrefix(in.Key, prefix) || in.Key <= after || in.Size < 0 || in.Size > maxSize {
			return errNotListed
		}
		after = in.Key
	}
	if more && len(page) == 0 {
		return errNotListed
	}
	return nil
}

// Plain is a key of a listing that was asked for in URLs' encoding, which servers of others may leave out. Without it one
// key with a control character, which no XML can hold, would make all that is listed with it unreadable.
func Plain(key, encoding string) string {
	if plain, err := url.QueryUnescape(key); encoding == "url" && err == nil {
		return plain
	}
	return key
}

func isUploadGone(err error) bool { return sdk.Code(err) == "NoSuchUpload" }
