package glb

// Prune takes away the meshes, textures, pictures, accessors and views that nothing names any more. Where the document has an
// extension that may name them in a way nobody here knows, it takes away nothing.
func (d *Document) Prune() error {
	for {
		named := map[kind][]bool{}
		for _, k := range []kind{ofMesh, ofTexture, ofImage, ofAccessor, ofView} {
			named[k] = make([]bool, d.count(k))
		}
		unknown := false
		err := d.walk(visitor{
			visit: func(k kind, index *int, _ place) error {
				if list, ok := named[k]; ok {
					list[*index] = true
				}
				return nil
			},
			unknown: func(string) { unknown = true },
		})
		if err != nil || unknown {
			return err
		}
		moved, gone := map[kind][]int{}, 0
		for k, list := range named {
			to := make([]int, len(list))
			next := 0
			for i, live := range list {
				to[i] = next
				if live {
					next++
				}
			}
			moved[k] = to
			gone += len(list) - next
		}
		if gone == 0 {
			return nil
		}
		d.Meshes = keep(d.Meshes, named[ofMesh])
		d.Textures = keep(d.Textures, named[ofTexture])
		d.Images = keep(d.Images, named[ofImage])
		d.Accessors = keep(d.Accessors, named[ofAccessor])
		d.BufferViews = keep(d.BufferViews, named[ofView])
		err = d.walk(visitor{visit: func(k kind, index *int, _ place) error {
			if to, ok := moved[k]; ok {
				*index = to[*index]
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
}

func keep[T any](list []T, live []bool) []T {
	out := make([]T, 0, len(list))
	for i := range list {
		if live[i] {
			out = append(out, list[i])
		}
	}
	return out
}
