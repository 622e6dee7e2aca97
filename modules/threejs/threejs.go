// Package threejs holds what draws a model in a browser: three.js 0.187.0 with our scene on top (scene.js), and the decoders that
// compressed models need. A page that has them needs nothing from anywhere else.
package threejs

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"slices"
	"sync"
)

//go:embed files/*.gz
var files embed.FS

// Script is a classic script that defines Millrace.Painter and Millrace.view; scene.js says what they do. Don't change it.
var Script = sync.OnceValue(func() []byte { return unpack("scene.min.js") })

// Room is the light around a model, as scene.js takes it: made by three.js, with eight bits of each half's fraction kept.
var Room = sync.OnceValue(func() []byte { return undelta(unpack(roomFile)) })

// A File is what a decoder is made of; Name is what the script knows it by.
type File struct {
	Name string
	Data []byte
}

// Decoders are the files that a model with these extensions needs beside the script.
func Decoders(extensions []string) []File {
	var all []File
	if slices.Contains(extensions, "KHR_draco_mesh_compression") {
		all = append(all, file("draco/", "draco_wasm_wrapper.js"), file("draco/", "draco_decoder.wasm"))
	}
	if slices.Contains(extensions, "KHR_texture_basisu") {
		all = append(all, file("basis/", "basis_transcoder.js"), file("basis/", "basis_transcoder.wasm"))
	}
	return all
}

func file(folder, name string) File { return File{Name: folder + name, Data: unpack(name)} }

// unpack panics where this program was put together wrongly.
func unpack(name string) []byte {
	packed, err := files.ReadFile("files/" + name + ".gz")
	if err != nil {
		panic(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(fmt.Sprintf("threejs: %s: %v", name, err))
	}
	data, err := io.ReadAll(r)
	if err != nil {
		panic(fmt.Sprintf("threejs: %s: %v", name, err))
	}
	return data
}
