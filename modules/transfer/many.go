package transfer

import (
	"context"
	"errors"
	"sync"

	"github.com/millrace/millrace/modules/blob"
)

const (
	// abreast is how many objects are moved at once: of small ones each costs a round trip and little else.
	abreast = 8
	// large is the size from which a Mover sends an object in several parts at once: such objects go one after the other.
	large = 8 << 20
)

// each moves all items, and returns their files in the items' order, or the first error: then the others are stopped.
func each(ctx context.Context, items []item, move func(context.Context, item) (File, error)) ([]File, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	files := make([]File, len(items))
	var alone sync.Mutex // held while a large one is moved
	todo := make(chan int)
	var wg sync.WaitGroup
	for range min(abreast, len(items)) {
		wg.Go(func() {
			for i := range todo {
				if items[i].size >= large {
					alone.Lock()
				}
				var err error
				if ctx.Err() == nil {
					files[i], err = move(ctx, items[i])
				}
				if items[i].size >= large {
					alone.Unlock()
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range items {
		todo <- i
	}
	close(todo)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return files, nil
}

func isKeyError(err error) bool {
	_, ok := errors.AsType[*blob.KeyError](err)
	return ok
}
