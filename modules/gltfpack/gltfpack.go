// Package gltfpack runs gltfpack, the mesh optimiser of Arseny Kapoulkine, in this process: its WebAssembly under wazero. What it
// runs over sees no file, no clock, no network and no memory but its own: bytes go in and bytes come out.
//
// gltfpack.wasm is library.wasm of npm's gltfpack 1.3.0, MIT (LICENSE), sha256
// ddd1658ec64b95916dc2b8d5ecff906501c178b5aa2df2fbf22eb8ae5422a417. It has no texture encoders: -tc and -tw fail.
package gltfpack

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/millrace/millrace/modules/fault"
)

// Version is gltfpack's.
const Version = "1.3.0"

//go:embed gltfpack.wasm
var original []byte

// program is what runs: the original, and able to stop.
var program = sync.OnceValues(func() ([]byte, error) { return stoppable(original) })

// Config says how a Packer runs.
type Config struct {
	// Compiled is a folder that Compile filled; it is read, never written. Empty, or of another version or machine: New
	// compiles, which takes half a second of CPU.
	Compiled string
	// Memory bounds that of one run, in bytes; 0 is 2 GiB, and 4 GiB the most that there is.
	Memory int64
	// MaxOutput bounds what one run writes, in bytes; 0 is 1 GiB.
	MaxOutput int64
}

const (
	defaultMemory = 2 << 30
	mostMemory    = 4 << 30
	defaultOutput = 1 << 30
)

// A Packer is gltfpack, compiled. It may run several files at once, each in a memory of its own.
type Packer struct {
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	memory   uint64
	output   int64
}

// New makes a Packer. Close it after use.
func New(ctx context.Context, c Config) (*Packer, error) {
	memory := cmp.Or(c.Memory, defaultMemory)
	p := &Packer{memory: uint64(min(memory, mostMemory)), output: cmp.Or(c.MaxOutput, defaultOutput)}
	if info, err := os.Stat(c.Compiled); err == nil && info.IsDir() && p.compile(ctx, c.Compiled) == nil {
		return p, nil
	}
	return p, p.compile(ctx, "")
}

// Compile fills a folder for Config.Compiled. What lies there is run as it is: nobody but its owner may write to it.
func Compile(ctx context.Context, folder string) error {
	p := &Packer{}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return errors.Join(p.compile(ctx, folder), p.Close(ctx))
}

// Close frees what New took. No run may be under way.
func (p *Packer) Close(ctx context.Context) error {
	if p.cache == nil {
		return nil
	}
	return errors.Join(p.runtime.Close(ctx), p.cache.Close(ctx))
}

// compile compiles the program into memory, or takes it from a folder, and puts it there where it lacks it. It is read and checked
// once, for all runs.
func (p *Packer) compile(ctx context.Context, folder string) (err error) {
	wasm, err := program()
	if err != nil {
		return err
	}
	cache := wazero.NewCompilationCache()
	if folder != "" {
		if cache, err = wazero.NewCompilationCacheWithDir(folder); err != nil {
			return err
		}
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache))
	compiled, err := r.CompileModule(ctx, wasm)
	if err = errors.Join(err, offer(ctx, r)); err != nil {
		return errors.Join(fmt.Errorf("compile gltfpack: %w", err), r.Close(ctx), cache.Close(ctx))
	}
	p.cache, p.runtime, p.compiled = cache, r, compiled
	return nil
}

// A Result is what a run made.
type Result struct {
	GLB    []byte
	Report []byte // its report as JSON
	Log    string // what it printed
}

// Pack runs gltfpack over a GLB that holds all it needs, with options but for those that name files (-i, -o, -r). What the file
// makes impossible is a permanent error with gltfpack's own words; a context that ends, ends it at once.
func (p *Packer) Pack(ctx context.Context, in []byte, options ...string) (Result, error) {
	h := &host{in: in, left: p.output, out: map[string][]byte{}}
	a := &allocator{most: p.memory}
	code, err := p.run(ctx, h, a, append([]string{"gltfpack", "-i", inFile, "-o", outFile, "-r", reportFile}, options...))
	result := Result{GLB: h.out[outFile], Report: h.out[reportFile], Log: string(h.log.data)}
	refuse := func(format string, args ...any) (Result, error) {
		return result, fault.As(fault.Permanent, fmt.Errorf(format, args...))
	}
	switch {
	case ctx.Err() != nil:
		return result, context.Cause(ctx)
	case h.full:
		return refuse("gltfpack would write more than %d MiB", p.output>>20)
	case a.starved:
		return refuse("gltfpack needs more than the %d MiB of memory that it may have", a.most>>20)
	case err != nil:
		return refuse("gltfpack broke on it: %s", firstLine(err.Error()))
	case code != 0 || result.GLB == nil:
		return refuse("gltfpack: %s", lastLine(result.Log))
	}
	return result, nil
}

// run is one run, of which nothing stays.
func (p *Packer) run(ctx context.Context, h *host, a *allocator, args []string) (code uint64, err error) {
	ctx = experimental.WithMemoryAllocator(context.WithValue(ctx, hostKey{}, h), a)
	defer context.AfterFunc(ctx, a.stop)()
	m, err := p.runtime.InstantiateModule(ctx, p.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions("__wasm_call_ctors"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.Close(context.WithoutCancel(ctx))) }()
	return call(ctx, m, args)
}

// call runs main with arguments, and returns its exit code.
func call(ctx context.Context, m api.Module, args []string) (uint64, error) {
	size := 4 * len(args)
	for _, a := range args {
		size += len(a) + 1
	}
	got, err := m.ExportedFunction("malloc").Call(ctx, uint64(size))
	if err != nil {
		return 0, err
	}
	at := uint32(got[0])
	list, text := make([]byte, 0, size), at+uint32(4*len(args))
	for _, a := range args {
		list = binary.LittleEndian.AppendUint32(list, text)
		text += uint32(len(a) + 1)
	}
	for _, a := range args {
		list = append(append(list, a...), 0)
	}
	if !m.Memory().Write(at, list) {
		return 0, errors.New("it has no memory for its arguments")
	}
	code, err := m.ExportedFunction("pack").Call(ctx, uint64(len(args)), uint64(at))
	if err != nil {
		return 0, err
	}
	return code[0], nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
