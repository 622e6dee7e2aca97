package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A Signer makes a URL by which one object may be put without credentials, under a key that is free: exactly size bytes of that type,
// by one PUT that has the headers, before it expires.
type Signer func(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (url string, header http.Header, err error)

// Presign makes a URL by which somebody without credentials may put one object under the key, once: exactly size bytes of that
// type, by one PUT that has the headers, before it expires, which is a week at most. Nothing is sent to the service for it.
func (s *Store) Presign(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (url string, header http.Header, err error) {
	full, err := s.full(key)
	if err == nil && s.sign == nil {
		err = errors.New("URLs of this service can't be signed here")
	}
	if err == nil {
		url, header, err = s.sign(ctx, full, size, cmp.Or(contentType, DefaultType), expires)
	}
	if err != nil {
		return "", nil, fmt.Errorf("sign a URL for object %s: %w", key, err)
	}
	out := http.Header{}
	for name, values := range header { // an SDK writes them in small letters
		out[http.CanonicalHeaderKey(name)] = values
	}
	out.Del("Host")
	out.Del("Content-Length") // whoever puts so many bytes sends it
	return url, out, nil
}

// A Lender makes a URL by which one object may be fetched without credentials, before it expires, and is sent with that type and
// Content-Disposition, whatever it was put with.
type Lender func(ctx context.Context, key, contentType, disposition string, expires time.Duration) (url string, err error)

// PresignGet makes a URL by which somebody without credentials may fetch the object under the key, before it expires, which is a week
// at most. It is sent with that type and Content-Disposition. Nothing is sent to the service for it, so that there may be no such object.
func (s *Store) PresignGet(ctx context.Context, key, contentType, disposition string, expires time.Duration) (url string, err error) {
	full, err := s.full(key)
	if err == nil && s.lend == nil {
		err = errors.New("URLs of this service can't be signed here")
	}
	if err == nil {
		url, err = s.lend(ctx, full, contentType, disposition, expires)
	}
	if err != nil {
		return "", fmt.Errorf("sign a URL for object %s: %w", key, err)
	}
	return url, nil
}
