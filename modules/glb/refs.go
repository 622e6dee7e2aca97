package glb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A kind is what an index counts.
type kind int

const (
	ofScene kind = iota
	ofNode
	ofMesh
	ofMaterial
	ofTexture
	ofImage
	ofSampler
	ofSkin
	ofAccessor
	ofView
	ofBuffer
)

func (k kind) String() string {
	return [...]string{"scene", "node", "mesh", "material", "texture", "picture", "sampler", "skin", "accessor", "bufferView", "buffer"}[k]
}

// count is how many there are of a kind.
func (d *Document) count(k kind) int {
	return [...]int{
		len(d.Scenes), len(d.Nodes), len(d.Meshes), len(d.Materials), len(d.Textures), len(d.Images), len(d.Samplers), len(d.Skins),
		len(d.Accessors), len(d.BufferViews), len(d.Buffers),
	}[k]
}

// A place is where an index stands.
type place struct {
	in string
	i  int
}

func (p place) String() string { return fmt.Sprintf("%s %d", p.in, p.i) }

// A visitor is shown every index of a document, and may change it. What objects may share, as copies of one another do, is
// replaced and not changed: else an index would be changed twice.
type visitor struct {
	visit   func(k kind, index *int, at place) error
	unknown func(extension string) // met an extension that may hold indices nobody knows of; nil is fine
}

func (v visitor) maybe(k kind, index **int, at place) error {
	if *index == nil {
		return nil
	}
	own := **index
	*index = &own
	return v.visit(k, &own, at)
}

func (v visitor) list(k kind, indices []int, at place) error {
	for i := range indices {
		if err := v.visit(k, &indices[i], at); err != nil {
			return err
		}
	}
	return nil
}

func (v visitor) named(k kind, indices *map[string]int, at place) error {
	own := maps.Clone(*indices)
	for name, index := range own {
		if err := v.visit(k, &index, at); err != nil {
			return err
		}
		own[name] = index
	}
	*indices = own
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// walk shows v every index.
func (d *Document) walk(v visitor) error {
	err := first(v.maybe(ofScene, &d.Scene, place{"scene", 0}), v.extensions(&d.Extensions, place{"glTF", 0}))
	each(&err, "scene", d.Scenes, func(s *Scene, at place) error {
		return first(v.list(ofNode, s.Nodes, at), v.extensions(&s.Extensions, at))
	})
	each(&err, "node", d.Nodes, func(n *Node, at place) error {
		return first(v.list(ofNode, n.Children, at), v.maybe(ofMesh, &n.Mesh, at), v.maybe(ofSkin, &n.Skin, at), v.extensions(&n.Extensions, at))
	})
	each(&err, "mesh", d.Meshes, func(m *Mesh, at place) error { return first(v.mesh(m, at), v.extensions(&m.Extensions, at)) })
	each(&err, "material", d.Materials, v.material)
	each(&err, "texture", d.Textures, func(t *Texture, at place) error {
		return first(v.maybe(ofImage, &t.Source, at), v.maybe(ofSampler, &t.Sampler, at), v.extensions(&t.Extensions, at))
	})
	each(&err, "picture", d.Images, func(m *Image, at place) error {
		return first(v.maybe(ofView, &m.View, at), v.extensions(&m.Extensions, at))
	})
	each(&err, "animation", d.Animations, v.animation)
	each(&err, "skin", d.Skins, func(s *Skin, at place) error {
		return first(v.list(ofNode, s.Joints, at), v.maybe(ofAccessor, &s.InverseBind, at), v.maybe(ofNode, &s.Skeleton, at), v.extensions(&s.Extensions, at))
	})
	each(&err, "accessor", d.Accessors, func(a *Accessor, at place) error {
		if a.Sparse != nil {
			err := first(v.visit(ofView, &a.Sparse.Indices.View, at), v.visit(ofView, &a.Sparse.Values.View, at))
			if err != nil {
				return err
			}
		}
		return first(v.maybe(ofView, &a.View, at), v.extensions(&a.Extensions, at))
	})
	each(&err, "bufferView", d.BufferViews, func(b *BufferView, at place) error {
		return first(v.visit(ofBuffer, &b.Buffer, at), v.extensions(&b.Extensions, at))
	})
	return err
}

// each runs f for the elements of list until there is an error.
func each[T any](err *error, in string, list []T, f func(*T, place) error) {
	for i := range list {
		if *err != nil {
			return
		}
		*err = f(&list[i], place{in, i})
	}
}

func (v visitor) mesh(m *Mesh, at place) error {
	m.Primitives = slices.Clone(m.Primitives)
	for i := range m.Primitives {
		p := &m.Primitives[i]
		err := first(v.named(ofAccessor, &p.Attributes, at), v.maybe(ofAccessor, &p.Indices, at), v.maybe(ofMaterial, &p.Material, at), v.extensions(&p.Extensions, at))
		p.Targets = slices.Clone(p.Targets)
		for k := range p.Targets {
			err = first(err, v.named(ofAccessor, &p.Targets[k], at))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (v visitor) material(m *Material, at place) error {
	refs := []*TextureRef{m.Normal, m.Occlusion, m.Emissive}
	if m.PBR != nil {
		refs = append(refs, m.PBR.BaseColor, m.PBR.MetallicRoughness)
	}
	for _, r := range refs {
		if r == nil {
			continue
		}
		if err := first(v.visit(ofTexture, &r.Index, at), v.extensions(&r.Extensions, at)); err != nil {
			return err
		}
	}
	return v.extensions(&m.Extensions, at)
}

func (v visitor) animation(a *Animation, at place) error {
	for i := range a.Samplers {
		s := &a.Samplers[i]
		if err := first(v.visit(ofAccessor, &s.Input, at), v.visit(ofAccessor, &s.Output, at)); err != nil {
			return err
		}
	}
	for i := range a.Channels {
		c := &a.Channels[i]
		if c.Sampler < 0 || c.Sampler >= len(a.Samplers) {
			return malformed("%v: channel %d names sampler %d, and there are %d", at, i, c.Sampler, len(a.Samplers))
		}
		if err := first(v.maybe(ofNode, &c.Target.Node, at), v.extensions(&c.Target.Extensions, at)); err != nil {
			return err
		}
	}
	return v.extensions(&a.Extensions, at)
}

// A trail leads to the indices of an extension: keys with dots in between, of which * is any and *x any that ends in x.
type trail struct {
	to kind
	by string
}

// indicesOf is where an extension holds indices; ok is false for one that is not known.
func indicesOf(extension string) (trails []trail, ok bool) {
	switch extension {
	case "KHR_draco_mesh_compression":
		return []trail{{ofView, "bufferView"}}, true
	case "EXT_meshopt_compression", "KHR_meshopt_compression":
		return []trail{{ofBuffer, "buffer"}}, true
	case "EXT_mesh_gpu_instancing":
		return []trail{{ofAccessor, "attributes.*"}}, true
	case "KHR_texture_basisu", "EXT_texture_webp", "EXT_texture_avif", "MSFT_texture_dds":
		return []trail{{ofImage, "source"}}, true
	case "KHR_materials_variants":
		return []trail{{ofMaterial, "mappings.*.material"}}, true
	case "KHR_texture_transform", "KHR_lights_punctual", "KHR_mesh_quantization", "KHR_xmp_json_ld", "KHR_xmp", "KHR_node_visibility",
		"FB_ngon_encoding", "MSFT_packing_occlusionRoughnessMetallic":
		return nil, true
	}
	if strings.HasPrefix(extension, "KHR_materials_") {
		return []trail{{ofTexture, "*Texture.index"}}, true
	}
	return nil, false
}

func (v visitor) extensions(all *Extensions, at place) error {
	for name, raw := range *all {
		trails, known := indicesOf(name)
		if !known && v.unknown != nil {
			v.unknown(name)
		}
		if len(trails) == 0 {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var tree any
		if err := dec.Decode(&tree); err != nil {
			return malformed("%v: %s: %w", at, name, err)
		}
		changed := false
		for _, t := range trails {
			err := v.follow(tree, strings.Split(t.by, "."), t.to, place{at.String() + ", " + name + ", at", at.i}, &changed)
			if err != nil {
				return err
			}
		}
		if changed {
			text, err := json.Marshal(tree)
			if err != nil {
				return err
			}
			*all = maps.Clone(*all)
			(*all)[name] = text
		}
	}
	return nil
}

func (v visitor) follow(tree any, by []string, to kind, at place, changed *bool) error {
	step := func(key string, child any, set func(any)) error {
		if want, wild := strings.CutPrefix(by[0], "*"); key != by[0] && !(wild && strings.HasSuffix(key, want)) {
			return nil
		}
		if len(by) > 1 {
			return v.follow(child, by[1:], to, at, changed)
		}
		number, ok := child.(json.Number)
		was, err := strconv.Atoi(string(number))
		if !ok || err != nil || was > math.MaxInt32 {
			return malformed("%v: its %s is no index", at, key)
		}
		is := was
		if err := v.visit(to, &is, at); err != nil {
			return err
		}
		if is != was {
			set(json.Number(strconv.Itoa(is)))
			*changed = true
		}
		return nil
	}
	switch t := tree.(type) {
	case map[string]any:
		for key, child := range t {
			if err := step(key, child, func(is any) { t[key] = is }); err != nil {
				return err
			}
		}
	case []any:
		for i, child := range t {
			if err := step("", child, func(is any) { t[i] = is }); err != nil {
				return err
			}
		}
	}
	return nil
}
