// Command archive writes an image of one layer as a docker archive: some files, an entrypoint, a user, no base.
//
//	archive OUT.tar NAME:TAG FILE:DESTINATION... -- ENTRYPOINT...
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	dash := slices.Index(args, "--")
	if dash < 3 || dash == len(args)-1 {
		return fmt.Errorf("usage: archive OUT.tar NAME:TAG FILE:DESTINATION... -- ENTRYPOINT")
	}
	layer, err := layerOf(args[2:dash])
	if err != nil {
		return err
	}
	image, err := imageOf(args[1], layer, args[dash+1:])
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], image, 0o644)
}

// layerOf is a layer with an open /tmp and each FILE at its DESTINATION, executable.
func layerOf(files []string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return nil, err
	}
	for _, f := range files {
		source, destination, ok := strings.Cut(f, ":")
		if !ok {
			return nil, fmt.Errorf("%s: write FILE:DESTINATION", f)
		}
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		if err := add(w, strings.TrimPrefix(destination, "/"), content, 0o755); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), w.Close()
}

// The config and manifest of a docker archive: the part that container runtimes read
// (github.com/moby/docker-image-spec, v1.2).
type config struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		Entrypoint []string `json:"Entrypoint"`
		User       string   `json:"User"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

type manifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// nobody is a user that owns nothing.
const nobody = "65532"

func imageOf(name string, layer []byte, entrypoint []string) ([]byte, error) {
	var c config
	c.Architecture, c.OS = runtime.GOARCH, "linux"
	c.Config.Entrypoint, c.Config.User = entrypoint, nobody
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{"sha256:" + digest(layer)}
	conf, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	m := manifest{Config: digest(conf) + ".json", RepoTags: []string{name}, Layers: []string{digest(layer) + "/layer.tar"}}
	list, err := json.Marshal([]manifest{m})
	if err != nil {
		return nil, err
	}

	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, file := range []struct {
		name    string
		content []byte
	}{{m.Config, conf}, {m.Layers[0], layer}, {"manifest.json", list}} {
		if err := add(w, file.name, file.content, 0o644); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), w.Close()
}

func add(w *tar.Writer, name string, content []byte, mode int64) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
