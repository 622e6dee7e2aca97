package bucket

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud"
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
			more = more && len(page) > 0
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
	return page, more, err
}

// Plain is a key of a listing that was asked for in URLs' encoding, which servers of others may leave out. Without it one
// key with a control character, which no XML can hold, would make all that is listed with it unreadable.
func Plain(key, encoding string) string {
	if plain, err := url.QueryUnescape(key); encoding == "url" && err == nil {
		return plain
	}
	return key
}

func isUploadGone(err error) bool { return cloud.Code(err) == "NoSuchUpload" }
