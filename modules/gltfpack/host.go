package gltfpack

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The files that a run sees.
const (
	inFile     = "/in.glb"
	outFile    = "/out.glb"
	reportFile = "/report.json"
)

// What a system call returns, of WASI's numbers.
const (
	ok       = 0
	badFile  = 8
	invalid  = 28
	ioError  = 29
	noSystem = 52
)

// maxLog bounds what is kept of what a run prints, in bytes.
const maxLog = 1 << 20

// A host is the system that one run sees: the file that it reads, and memory for what it writes. Its calls are made by the run,
// one after another.
type host struct {
	in   []byte
	out  map[string][]byte
	left int64 // bytes that may still be written
	full bool  // more was
	log  file
	open [16]*file // by descriptor, from firstFile on
}

// A file is open; one that is written is kept when it is closed.
type file struct {
	name  string
	data  []byte
	at    int
	write bool
}

// Descriptors 1 and 2 are the log, 3 the folder / that all names begin in, and files come behind.
const (
	root      = 3
	firstFile = 4
)

// hostKey is where the context of a run has its host: runs share a runtime, and what that calls is told of the run by its context.
type hostKey struct{}

func of(ctx context.Context) *host { return ctx.Value(hostKey{}).(*host) }

// offer makes a host's calls known to a runtime. They are those that gltfpack's build names, with offsets of 32 bits, not
// WASI's own.
func offer(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	for name, f := range map[string]any{
		"proc_exit":             func(uint32) {},
		"fd_fdstat_set_flags":   func(_, _ uint32) uint32 { return noSystem },
		"path_remove_directory": func(_, _, _ uint32) uint32 { return invalid },
		"fd_close":              func(ctx context.Context, fd uint32) uint32 { return of(ctx).close(fd) },
		"fd_fdstat_get":         func(ctx context.Context, m api.Module, fd, to uint32) uint32 { return of(ctx).stat(m, fd, to) },
		"fd_prestat_get":        prestat,
		"fd_prestat_dir_name":   prestatName,
		"path_filestat_get":     pathStat,
		"path_open32": func(ctx context.Context, m api.Module, fd, _, path, size, flags, _, _, _, to uint32) uint32 {
			return of(ctx).openPath(m, fd, path, size, flags, to)
		},
		"fd_seek32": func(ctx context.Context, m api.Module, fd uint32, offset int32, whence, to uint32) uint32 {
			return of(ctx).seek(m, fd, offset, whence, to)
		},
		"fd_read": func(ctx context.Context, m api.Module, fd, list, n, to uint32) uint32 {
			return of(ctx).read(m, fd, list, n, to)
		},
		"fd_write": func(ctx context.Context, m api.Module, fd, list, n, to uint32) uint32 {
			return of(ctx).writeAll(m, fd, list, n, to)
		},
	} {
		b = b.NewFunctionBuilder().WithFunc(f).Export(name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// file is an open one; nil is none.
func (h *host) file(fd uint32) *file {
	switch {
	case fd == 1 || fd == 2:
		return &h.log
	case fd >= firstFile && int(fd-firstFile) < len(h.open):
		return h.open[fd-firstFile]
	}
	return nil
}

func (h *host) close(fd uint32) uint32 {
	f := h.file(fd)
	if f == nil || f == &h.log {
		return badFile
	}
	if f.write {
		h.out[f.name] = f.data
	}
	h.open[fd-firstFile] = nil
	return ok
}

func (h *host) stat(m api.Module, fd, to uint32) uint32 {
	const size, folder, regular = 24, 3, 4
	about := make([]byte, size)
	switch {
	case fd == root:
		about[0] = folder
	case h.file(fd) != nil:
		about[0] = regular
	default:
		return badFile
	}
	return stored(m.Memory().Write(to, about))
}

func prestat(_ context.Context, m api.Module, fd, to uint32) uint32 {
	if fd != root {
		return badFile
	}
	return stored(m.Memory().WriteUint32Le(to, 0) && m.Memory().WriteUint32Le(to+4, 1))
}

func prestatName(_ context.Context, m api.Module, fd, to, size uint32) uint32 {
	if fd != root || size != 1 {
		return badFile
	}
	return stored(m.Memory().WriteByte(to, '/'))
}

func pathStat(_ context.Context, m api.Module, fd, _, _, _, to uint32) uint32 {
	const size, kindAt, regular = 64, 16, 4
	if fd != root {
		return badFile
	}
	about := make([]byte, size)
	about[kindAt] = regular
	return stored(m.Memory().Write(to, about))
}

func (h *host) openPath(m api.Module, fd, path, size, flags, to uint32) uint32 {
	const create = 1
	name, there := m.Memory().Read(path, size)
	if fd != root || !there {
		return badFile
	}
	f := &file{name: "/" + string(name), write: flags&create != 0}
	switch {
	case f.write && (f.name == outFile || f.name == reportFile):
	case !f.write && f.name == inFile:
		f.data = h.in
	default:
		return ioError
	}
	i := slices.Index(h.open[:], nil)
	if i < 0 {
		return ioError
	}
	h.open[i] = f
	return stored(m.Memory().WriteUint32Le(to, uint32(i+firstFile)))
}

func (h *host) seek(m api.Module, fd uint32, offset int32, whence, to uint32) uint32 {
	f := h.file(fd)
	if f == nil {
		return badFile
	}
	from := []int{0, f.at, len(f.data)}
	if int(whence) >= len(from) {
		return invalid
	}
	at := from[whence] + int(offset)
	if at < 0 || at > len(f.data) || at > math.MaxInt32 {
		return invalid
	}
	f.at = at
	return stored(m.Memory().WriteUint32Le(to, uint32(at)))
}

func (h *host) read(m api.Module, fd, list, n, to uint32) uint32 {
	f := h.file(fd)
	if f == nil || f.write || f == &h.log {
		return badFile
	}
	before := f.at
	status := each(m, list, n, func(part []byte) uint32 {
		f.at += copy(part, f.data[f.at:])
		return ok
	})
	if status != ok {
		return status
	}
	return stored(m.Memory().WriteUint32Le(to, uint32(f.at-before)))
}

func (h *host) writeAll(m api.Module, fd, list, n, to uint32) uint32 {
	f := h.file(fd)
	if f == nil || !f.write && f != &h.log {
		return badFile
	}
	total := 0
	status := each(m, list, n, func(part []byte) uint32 {
		total += len(part)
		if f == &h.log {
			part = part[:min(len(part), maxLog-len(f.data))]
		}
		return h.put(f, part)
	})
	if status != ok {
		return status
	}
	return stored(m.Memory().WriteUint32Le(to, uint32(total)))
}

// put writes over what is at the file's place, and appends the rest.
func (h *host) put(f *file, part []byte) uint32 {
	over := min(len(f.data)-f.at, len(part))
	more := len(part) - over
	if int64(more) > h.left && f != &h.log {
		h.full = true
		return ioError
	}
	if f != &h.log {
		h.left -= int64(more)
	}
	copy(f.data[f.at:], part[:over])
	f.data = append(f.data, part[over:]...)
	f.at += len(part)
	return ok
}

// each calls f with the parts of a list of n pointers and sizes.
func each(m api.Module, list, n uint32, f func(part []byte) uint32) uint32 {
	const entry = 8
	if n > math.MaxUint32/entry {
		return invalid
	}
	all, there := m.Memory().Read(list, entry*n)
	if !there {
		return invalid
	}
	for i := range int(n) {
		at, size := binary.LittleEndian.Uint32(all[entry*i:]), binary.LittleEndian.Uint32(all[entry*i+4:])
		part, there := m.Memory().Read(at, size)
		if !there {
			return invalid
		}
		if status := f(part); status != ok {
			return status
		}
	}
	return ok
}

// stored is the status of a write to the run's memory.
func stored(there bool) uint32 {
	if there {
		return ok
	}
	return invalid
}
