package gltfcheck

import (
	"bytes"
	"context"
	_ "embed" // the validator
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/dop251/goja"

	"github.com/millrace/millrace/modules/fault"
)

//go:embed khronos/gltf_validator.dart.js
var validatorScript string

//go:embed goja.js
var gojaScript string

// program is the validator, ready to run: 0.1 s of work.
var program = sync.OnceValues(func() (*goja.Program, error) {
	return goja.Compile("gltf_validator.dart.js", validatorScript, false)
})

// What takes some of Go's own stack, which can't be caught where it runs over.
const (
	maxDepth  = 5_000  // of calls in JavaScript
	maxNested = 10_000 // objects and lists in each other
)

// inProcess runs the validator that is built in, some twenty times slower than Node.js does.
func inProcess(ctx context.Context, r request) ([]byte, error) {
	validator, err := program()
	if err != nil {
		return nil, fmt.Errorf("compile the validator: %w", err)
	}
	data, err := r.read(nil, r.MaxBytes)
	if err != nil {
		return nil, err
	}
	if tooDeep(data) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("its JSON is nested deeper than %d levels", maxNested))
	}
	vm := goja.New()
	vm.SetMaxCallStackSize(maxDepth)
	stop := context.AfterFunc(ctx, func() { vm.Interrupt(context.Cause(ctx)) })
	defer stop()
	report, err := r.validate(vm, validator)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if thrown, ok := errors.AsType[*goja.Exception](err); ok {
		return nil, verdict(thrown.Value().String())
	}
	if err == nil && len(report) > maxReport {
		err = fault.As(fault.Permanent, fmt.Errorf("the report is longer than %d MiB", maxReport>>20))
	}
	return []byte(report), err
}

func (r request) validate(vm *goja.Runtime, validator *goja.Program) (report string, err error) {
	told, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	if _, err := vm.RunString(gojaScript + checkScript); err != nil {
		return "", err
	}
	if _, err := vm.RunProgram(validator); err != nil {
		return "", err
	}
	read := func(uri *string, left int64) any {
		data, err := r.read(uri, left)
		if err != nil {
			return err.Error()
		}
		return vm.NewArrayBuffer(data)
	}
	var start func(read any, request string) (goja.Value, error)
	var next func() (bool, error)
	if err := errors.Join(vm.ExportTo(vm.Get("start"), &start), vm.ExportTo(vm.Get("next"), &next)); err != nil {
		return "", err
	}
	if _, err := start(read, string(told)); err != nil {
		return "", err
	}
	for more := true; more && err == nil; {
		more, err = next()
	}
	if err != nil {
		return "", err
	}
	outcome := vm.Get("outcome").ToObject(vm)
	if thrown := outcome.Get("error"); thrown != nil {
		return "", verdict(thrown.String())
	}
	text := outcome.Get("report")
	if text == nil {
		return "", errors.New("the validator came to no end")
	}
	return text.String(), nil
}

// tooDeep says whether the JSON of a glTF or GLB is nested deeper than maxNested.
func tooDeep(file []byte) bool {
	if bytes.HasPrefix(file, []byte("glTF")) && len(file) >= 20 {
		size := binary.LittleEndian.Uint32(file[12:]) // of the first chunk, which is JSON
		file = file[20:min(len(file), 20+int(size))]
	}
	depth, inText := 0, false
	for i := 0; i < len(file); i++ {
		switch c := file[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth++; depth > maxNested {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// read returns the file, or what a URI in it names, as read of node.js does.
func (r request) read(uri *string, left int64) ([]byte, error) {
	f, err := r.open(uri)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > left:
		return nil, fmt.Errorf("it is larger than the %d bytes that may still be read", left)
	}
	return io.ReadAll(io.LimitReader(f, left))
}

// open does not wait for who might write to a pipe.
func (r request) open(uri *string) (*os.File, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	if uri == nil {
		return os.OpenFile(r.File, flags, 0)
	}
	outside := errors.New("it is outside of " + r.RootName)
	if strings.HasPrefix(*uri, "//") || regexp.MustCompile(`^(?i)[a-z][a-z0-9+.-]*:`).MatchString(*uri) {
		return nil, outside
	}
	name, err := url.PathUnescape(regexp.MustCompile(`[?#].*$`).ReplaceAllString(*uri, ""))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(r.File), name)
	}
	// Links are followed first: an absolute one may lead to a place in the root.
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	below, err := filepath.Rel(r.Root, real)
	if err != nil || !filepath.IsLocal(below) {
		return nil, outside
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(below, flags, 0)
}
