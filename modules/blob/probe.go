package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Probe proves that the store keeps Create's promise, by creating an object twice and removing it. It returns an error
// that is ErrUnconditional, with the store's name, where the second create wins.
func Probe(ctx context.Context, s Store) (err error) {
	key := "probe/" + rand.Text()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		if err = errors.Join(err, s.Delete(ctx, key)); err != nil {
			err = fmt.Errorf("probe %s: %w", nameOf(s), err)
		}
	}()
	// That it exists already is the answer to a try that was made twice: nobody else knows the key.
	if err := s.Create(ctx, key, []byte("first")); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	switch err := s.Create(ctx, key, []byte("second")); {
	case err == nil:
		return ErrUnconditional
	case !errors.Is(err, ErrExists):
		return err
	}
	b, err := ReadAll(ctx, s, key, 16)
	if err == nil && string(b) != "first" {
		return ErrUnconditional
	}
	return err
}

func nameOf(s Store) string {
	if named, ok := s.(fmt.Stringer); ok {
		return named.String()
	}
	return "the store"
}
