package glb

import "errors"

// skinned takes in what joints do to a primitive; where the node itself stands does not count then.
func (s *surveyor) skinned(n *Node, at int, p *Primitive, c cloud) error {
	d := s.d
	joints, err := s.joints(&d.Skins[*n.Skin], at)
	if err != nil {
		return err
	}
	which, weights, err := d.influences(p)
	if errors.Is(err, errNoSkin) {
		s.place(s.world[at], c)
		return nil
	}
	if err != nil {
		return err
	}
	if s.left < int64(c.len()) {
		s.box.Loose = true
		for _, m := range joints {
			c.corners.corners(func(p Vec) { s.box.add(m.Point(p)) })
		}
		return nil
	}
	s.left -= int64(c.len())
	c.each(func(i int, p Vec) {
		var sum Vec
		for k := range 4 {
			w, j := float64(weights[4*i+k]), int(which[4*i+k])
			if w == 0 || j >= len(joints) {
				continue
			}
			moved := joints[j].Point(p)
			for axis := range sum {
				sum[axis] += w * moved[axis]
			}
		}
		s.box.add(sum)
	})
	return nil
}

// joints are the transforms of a skin's joints, from the mesh's space to the world.
func (s *surveyor) joints(skin *Skin, at int) ([]Matrix, error) {
	out := make([]Matrix, len(skin.Joints))
	var inverse []float32
	if skin.InverseBind != nil {
		var err error
		if inverse, err = s.d.Floats(*skin.InverseBind); err != nil && !errors.Is(err, ErrCompressed) {
			return nil, err
		}
	}
	for i, j := range skin.Joints {
		world, shown := s.world[j]
		if !shown {
			world = s.world[at]
		}
		bind := Identity()
		if len(inverse) >= 16*(i+1) {
			take(bind[:], inverse, i)
		}
		out[i] = world.Mul(bind)
	}
	return out, nil
}

// errNoSkin says that a primitive has no joints.
var errNoSkin = errors.New("no joints")

// influences are the four joints of each vertex, and their weights.
func (d *Document) influences(p *Primitive) (joints, weights []float32, err error) {
	j, hasJoints := p.Attributes["JOINTS_0"]
	w, hasWeights := p.Attributes["WEIGHTS_0"]
	n := d.Accessors[p.Attributes["POSITION"]].Count
	if !hasJoints || !hasWeights {
		return nil, nil, errNoSkin
	}
	for _, a := range []int{j, w} {
		if d.Accessors[a].Type != "VEC4" || d.Accessors[a].Count < n {
			return nil, nil, malformed("accessor %d is too short for the joints of its mesh", a)
		}
	}
	if joints, err = d.Floats(j); err != nil {
		return nil, nil, err
	}
	weights, err = d.Floats(w)
	return joints, weights, err
}
