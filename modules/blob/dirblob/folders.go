package dirblob

import "sync"

// folders remembers which folders' own names are on the disk, so that a create in one of them need not sync upwards.
// Forgetting costs a sync and nothing else.
type folders struct {
	mu   sync.Mutex
	seen map[string]struct{} // guarded by mu
}

// maxFolders bounds the memory: about 100 bytes a folder.
const maxFolders = 8192

func (f *folders) has(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.seen[dir]
	return ok
}

func (f *folders) add(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil || len(f.seen) >= maxFolders {
		f.seen = make(map[string]struct{})
	}
	f.seen[dir] = struct{}{}
}

func (f *folders) forget(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, dir)
}
