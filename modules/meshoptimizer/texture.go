package meshoptimizer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/image/webp"

	"github.com/millrace/millrace/modules/glb"
)

// maxTexels is how many pixels a picture that is changed may have; a larger one is refused before it is decoded.
const maxTexels = 1 << 26

// A picture is one that textures show.
type picture struct {
	is      use
	opaque  bool    // no material that shows it has a use for its alpha
	density float64 // pixels per metre of surface, the least of what shows it; 0 is unknown
	colour  bool    // some material shows it as a colour
	normal  bool
}

// pictures says how materials use the pictures of a document.
func pictures(d *glb.Document) []picture {
	all := make([]picture, len(d.Images))
	for i := range all {
		all[i].opaque = true
	}
	for i := range d.Materials {
		m := &d.Materials[i]
		show := func(r *glb.TextureRef, is use, alpha bool) {
			if r == nil {
				return
			}
			for _, image := range imagesOf(d, r.Index) {
				p := &all[image]
				p.colour = p.colour || is == colours
				p.normal = p.normal || is == normals
				p.opaque = p.opaque && !alpha
			}
		}
		if m.PBR != nil {
			show(m.PBR.BaseColor, colours, m.AlphaMode == "MASK" || m.AlphaMode == "BLEND")
			show(m.PBR.MetallicRoughness, amounts, false)
		}
		show(m.Normal, normals, false)
		show(m.Occlusion, amounts, false)
		show(m.Emissive, colours, false)
		for name, raw := range m.Extensions {
			for key, r := range texturesOf(raw) {
				switch {
				case strings.HasSuffix(key, "NormalTexture"):
					show(&r, normals, false)
				case strings.Contains(strings.ToLower(key), "color"), key == "diffuseTexture", key == "specularGlossinessTexture":
					show(&r, colours, true)
				default:
					show(&r, amounts, name != "KHR_materials_clearcoat")
				}
			}
		}
	}
	for i := range all {
		switch p := &all[i]; {
		case p.colour && !p.normal:
			p.is = colours
		case p.normal && !p.colour:
			p.is = normals
		}
	}
	return all
}

// texturesOf are the textures that an extension of a material shows.
func texturesOf(raw json.RawMessage) map[string]glb.TextureRef {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	out := map[string]glb.TextureRef{}
	for key, raw := range all {
		var r struct {
			Index int `json:"index"`
		}
		if strings.HasSuffix(key, "Texture") && glb.Decode(raw, &r) == nil {
			out[key] = glb.TextureRef{Index: r.Index}
		}
	}
	return out
}

// imagesOf are the pictures of a texture: that of an extension, and that of those who don't know it. An extension that nobody
// here knows may name textures and pictures that are not there.
func imagesOf(d *glb.Document, texture int) []int {
	if texture < 0 || texture >= len(d.Textures) {
		return nil
	}
	t := &d.Textures[texture]
	var out []int
	if t.Source != nil {
		out = append(out, *t.Source)
	}
	for _, raw := range t.Extensions {
		var e struct {
			Source *int `json:"source"`
		}
		if glb.Decode(raw, &e) == nil && e.Source != nil && *e.Source >= 0 && *e.Source < len(d.Images) {
			out = append(out, *e.Source)
		}
	}
	return out
}

// changesTextures says whether any may have to change.
func (p *plan) changesTextures() bool {
	return !p.SkipTexOpt && (p.MaxTexSize > 0 || p.PotTextures || p.quality != [2]int{} || p.AggressiveAlphaRemoval || p.TargetTexDensity > 0)
}

// optimizeTextures does what p asks for to every picture.
func (w *work) optimizeTextures(ctx context.Context) error {
	p := &w.plan
	if !p.changesTextures() && w.shrink == 0 {
		return nil
	}
	uses := pictures(w.doc)
	if p.TargetTexDensity > 0 && !p.SkipTexelDensity {
		if err := measureDensity(w.doc, uses); err != nil {
			return err
		}
	}
	done := map[int]int{} // views that were changed: pictures may share one
	for i := range w.doc.Images {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		view := *w.doc.Images[i].View
		to, known := done[view]
		if !known {
			data, err := w.doc.Bytes(view)
			if err != nil {
				return err
			}
			out, err := w.optimizePicture(i, data, uses[i])
			if err != nil {
				return fmt.Errorf("picture %d %s: %w", i, w.doc.Images[i].Name, err)
			}
			to = view
			if out != nil {
				to = w.doc.AddView(out)
			}
			done[view] = to
		}
		if to != view {
			w.doc.Images[i].View = &to
			data, _ := w.doc.Bytes(to) // it was written here
			w.doc.Images[i].MIMEType, _, _ = glb.PictureSize(data)
		}
	}
	nameSources(w.doc)
	return nil
}

// optimizePicture returns the picture as it shall be; nil is as it is.
func (w *work) optimizePicture(i int, data []byte, u picture) ([]byte, error) {
	p := &w.plan
	mime, width, height := glb.PictureSize(data)
	toWidth, toHeight := w.sizeOf(width, height, u)
	quality := p.quality[0]
	if u.is == normals {
		quality = p.quality[1]
	}
	if p.LosslessTexOpt {
		quality = 0
	}
	resized := toWidth != width || toHeight != height
	strip := p.AggressiveAlphaRemoval && u.opaque && mime == "image/png"
	if !resized && !strip && (quality == 0 || w.shrink > 0 && mime == "image/jpeg") {
		return nil, nil
	}
	if mime != "image/png" && mime != "image/jpeg" && mime != "image/webp" {
		if resized {
			w.warn("picture %d is %s of %d×%d pixels and stays as it is: only PNG, JPEG and WebP are changed here; give the model those", i, cmp.Or(mime, "of an unknown format"), width, height)
		}
		return nil, nil
	}
	if mime == "image/webp" && !resized {
		return nil, nil // neither PNG nor JPEG makes it smaller
	}
	if width <= 0 || height <= 0 || int64(width)*int64(height) > maxTexels {
		return nil, permanent("it is %d×%d pixels, more than the %d Mi that are read", width, height, maxTexels>>20)
	}
	decoded, err := decodePicture(mime, data)
	if err != nil {
		return nil, permanent("it can't be read: %w", err)
	}
	img := straight(decoded)
	if strip {
		for k := 3; k < len(img.Pix); k += 4 {
			img.Pix[k] = 255
		}
	}
	if resized {
		img = resize(img, toWidth, toHeight, u.is)
	}
	jpg := mime == "image/jpeg" || quality > 0 && img.Opaque()
	if p.LosslessTexOpt {
		jpg = false
	}
	var b bytes.Buffer
	if jpg {
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: cmp.Or(quality, 90)})
	} else {
		err = png.Encode(&b, img)
	}
	if err != nil {
		return nil, err
	}
	if !resized && b.Len() >= len(data) {
		return nil, nil // it was smaller
	}
	if mime == "image/webp" && b.Len() >= len(data) {
		w.warn("picture %d stays as it is: it is a WebP, and larger as a PNG or JPEG of %d×%d pixels", i, toWidth, toHeight)
		return nil, nil
	}
	return b.Bytes(), nil
}

func decodePicture(mime string, data []byte) (image.Image, error) {
	switch r := bytes.NewReader(data); mime {
	case "image/jpeg":
		return jpeg.Decode(r)
	case "image/webp":
		return webp.Decode(r)
	default:
		return png.Decode(r)
	}
}

// nameSources makes the source of an extension a texture's own where it is a PNG or JPEG now.
func nameSources(d *glb.Document) {
	const webp = "EXT_texture_webp"
	left := false
	for i := range d.Textures {
		t := &d.Textures[i]
		raw, there := t.Extensions[webp]
		if !there {
			continue
		}
		var e struct {
			Source *int `json:"source"`
		}
		if glb.Decode(raw, &e) != nil || e.Source == nil || d.Images[*e.Source].MIMEType == "image/webp" {
			left = true
			continue
		}
		t.Source = e.Source
		t.Extensions = maps.Clone(t.Extensions)
		delete(t.Extensions, webp)
	}
	if !left {
		for _, list := range []*[]string{&d.Used, &d.Required} {
			*list = slices.DeleteFunc(slices.Clone(*list), func(name string) bool { return name == webp })
		}
	}
}

// sizeOf is the size that a picture shall have.
func (w *work) sizeOf(width, height int, u picture) (int, int) {
	p := &w.plan
	scale := 1.0
	if p.MaxTexSize > 0 {
		scale = min(scale, float64(p.MaxTexSize)/float64(max(width, height)))
	}
	if w.shrink > 0 {
		scale = min(scale, float64(w.shrink)/float64(max(width, height)))
	}
	if u.density > 0 && p.TargetTexDensity > 0 {
		scale = min(scale, p.TargetTexDensity/u.density)
	}
	side := func(n int) int {
		n = max(int(math.Round(float64(n)*scale)), 1)
		if p.PotTextures {
			n = power(n, p.MaxTexSize)
		}
		return n
	}
	if width <= 0 || height <= 0 {
		return width, height
	}
	return side(width), side(height)
}

// power is the power of two nearest to n, and not above most.
func power(n, most int) int {
	below := 1 << (bits.Len(uint(n)) - 1)
	if n-below > 2*below-n {
		below *= 2
	}
	for most > 0 && below > most {
		below /= 2
	}
	return below
}
