package gltfpack

import (
	"sync"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// An allocator gives a run its memory: addresses for all that it may have, of which the system backs what is touched. Memory that
// grows is never copied, and goes back as soon as the run ends.
type allocator struct {
	most    uint64 // bytes
	starved bool   // more was asked for

	mu      sync.Mutex
	all     []byte // guarded by mu; nil before and after the run
	stopped bool   // guarded by mu
}

// stop ends the run, if there is one, at its next turn of a loop, and lets none begin.
func (a *allocator) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	if a.all != nil {
		a.all[stopAt] = 1
	}
}

// Allocate makes allocator an experimental.MemoryAllocator.
func (a *allocator) Allocate(_, _ uint64) experimental.LinearMemory {
	all, err := unix.Mmap(-1, 0, int(a.most), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.starved = true
		return &memory{of: a}
	}
	if a.stopped {
		all[stopAt] = 1
	}
	a.all = all
	return &memory{of: a, all: all}
}

// A memory is that of one run.
type memory struct {
	of  *allocator
	all []byte
}

// Reallocate makes memory an experimental.LinearMemory.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.all)) {
		m.of.starved = true
		return nil
	}
	return m.all[:size]
}

// Free gives it back.
func (m *memory) Free() {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	if m.of.all != nil {
		_ = unix.Munmap(m.of.all) // it fails only for what was never mapped
		m.of.all, m.all = nil, nil
	}
}
