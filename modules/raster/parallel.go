package raster

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls work for 0 to n-1 on all processors, and stops early when ctx ends.
func parallel(ctx context.Context, n int, work func(i int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				work(i)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// inChunks calls work for consecutive parts of 0 to n-1 on all processors.
func inChunks(ctx context.Context, n int, work func(from, to int)) error {
	const size = 4096
	return parallel(ctx, (n+size-1)/size, func(i int) { work(i*size, min((i+1)*size, n)) })
}
