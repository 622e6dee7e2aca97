package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/worker/record"
)

// The kinds of what the model's act leaves.
const (
	kindModel   = "model"
	kindPicture = "picture"
	kindViewer  = "viewer"
	kindReport  = "report"
)

// kindOf is what a person should know of an artifact; empty is nothing.
func (a *act) kindOf(art record.Artifact) string {
	switch ext := filepath.Ext(art.Path); {
	case art.Key == a.record.Report:
		return kindReport
	case ext == ".glb":
		return kindModel
	case ext == ".png":
		return kindPicture
	case ext == ".html":
		return kindViewer
	}
	return ""
}

// checkArtifact looks at an artifact in the store: as long as its record says, and what it is called.
func (a *act) checkArtifact(path string, art record.Artifact) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != art.Size || art.Size == 0 {
		return fmt.Errorf("%s has %d bytes, and its record says %d", path, info.Size(), art.Size)
	}
	switch a.kindOf(art) {
	case kindModel:
		err = checkGLB(f)
	case kindPicture:
		err = checkPicture(f)
	case kindViewer:
		err = checkViewer(f)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	return nil
}

func checkGLB(f io.Reader) error {
	doc, err := glb.Read(f, glb.Source{})
	if err != nil {
		return err
	}
	if doc.Count().Triangles == 0 {
		return errors.New("it draws no triangle")
	}
	return nil
}

func checkPicture(f io.Reader) error {
	picture, err := png.Decode(f)
	if err != nil {
		return err
	}
	if isBlank(picture) {
		return errors.New("it shows nothing")
	}
	return nil
}

// checkViewer looks for what makes the page stand alone: the model in it, and no script, style or picture from elsewhere.
func checkViewer(f io.Reader) error {
	page, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if !bytes.Contains(page, []byte("<script")) || !bytes.Contains(page, []byte("Z2xURg")) { // base64 of glTF, which a GLB begins with
		return errors.New("it holds no viewer or no model")
	}
	for _, from := range []string{`src="http`, `href="http`, `src="//`} {
		if bytes.Contains(page, []byte(from)) {
			return errors.New("it takes something from another server")
		}
	}
	return nil
}

// isBlank says whether a picture has one color alone, along its middle.
func isBlank(m image.Image) bool {
	b := m.Bounds()
	if b.Empty() {
		return true
	}
	y := (b.Min.Y + b.Max.Y) / 2
	first := m.At(b.Min.X, y)
	for x := b.Min.X; x < b.Max.X; x++ {
		if m.At(x, y) != first {
			return false
		}
	}
	return true
}
