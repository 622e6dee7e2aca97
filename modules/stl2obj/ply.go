package stl2obj

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/millrace/millrace/modules/raster/mesh"
)

// writePLY writes a PLY as an OBJ: its points in their order, with their colours behind them where they have some, and a normal for
// each where they have those. It holds all of it in memory.
func writePLY(ctx context.Context, dst io.Writer, src io.Reader) (Counts, error) {
	m, info, err := mesh.ReadPLY(ctx, src)
	if err != nil {
		return Counts{}, err
	}
	out := bufio.NewWriterSize(dst, 64<<10)
	normals := make([]mesh.Vec, len(m.Positions))
	for i := range m.Normals {
		for k, at := range m.Triangles[i] {
			normals[at] = m.Normals[i][k]
		}
	}
	var line []byte
	put := func(word string, all ...mesh.Vec) {
		line = append(line[:0], word...)
		for _, v := range all {
			for _, x := range v {
				line = strconv.AppendFloat(append(line, ' '), float64(x), 'g', -1, 32)
			}
		}
		_, _ = out.Write(append(line, '\n')) // Flush has the error
	}
	for i, p := range m.Positions {
		if m.Colors != nil {
			put("v", p, m.Colors[i])
		} else {
			put("v", p)
		}
	}
	if m.Normals != nil {
		for _, n := range normals {
			put("vn", n)
		}
	}
	for i, t := range m.Triangles {
		if i%8192 == 0 && ctx.Err() != nil {
			return Counts{}, context.Cause(ctx)
		}
		line = append(line[:0], 'f')
		for _, at := range t {
			line = strconv.AppendUint(append(line, ' '), uint64(at)+1, 10)
			if m.Normals != nil {
				line = strconv.AppendUint(append(line, "//"...), uint64(at)+1, 10)
			}
		}
		_, _ = out.Write(append(line, '\n'))
	}
	if err := out.Flush(); err != nil {
		return Counts{}, fmt.Errorf("write OBJ: %w", err)
	}
	return Counts{Triangles: int64(len(m.Triangles)), Vertices: int64(len(m.Positions)), Degenerate: info.Degenerate, Left: info.Left}, nil
}
