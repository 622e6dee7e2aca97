package transfer

import (
	"context"
	"errors"
	"sync"

	"github.com/millrace/millrace/modules/blob"
)

// abreast is how many objects are moved at once: of small ones each costs a round trip and little else. Those that are moved
// in several parts at once go one after the other.
const abreast = 8

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
				if items[i].size > blob.Part {
					alone.Lock()
				}
				var err error
				if ctx.Err() == nil {
					files[i], err = move(ctx, items[i])
				}
				if items[i].size > blob.Part {
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
