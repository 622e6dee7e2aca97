package stl2obj

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// Counts says what a conversion wrote and left out.
type Counts struct {
	Triangles  int64 // written as faces
	Vertices   int64 // distinct, written
	Degenerate int64 // left out: two corners are one point, of a PLY one vertex
	Trailing   int64 // bytes behind the last triangle of a binary file that were not read
	// Left are the properties and elements of a PLY that were not read.
	Left []string
}

// Convert reads an STL or a PLY, binary or ASCII, and writes it as an OBJ. The coordinates are those of the file to the last bit.
// A face only names vertices written before it. What it wrote before an error is not a whole OBJ.
func Convert(ctx context.Context, dst io.Writer, src io.Reader) (Counts, error) {
	in := bufio.NewReaderSize(src, 64<<10)
	if head, _ := in.Peek(4); string(head) == "ply\n" || string(head) == "ply\r" {
		return writePLY(ctx, dst, in)
	}
	return writeSTL(ctx, dst, in)
}

// writeSTL makes one vertex of equal corners, and an object of every solid. It holds the distinct vertices in memory, not the
// triangles.
func writeSTL(ctx context.Context, dst io.Writer, src io.Reader) (Counts, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := pipe{full: make(chan *chunk), free: make(chan *chunk, 2)}
	p.free <- &chunk{}
	p.free <- &chunk{}

	var counts Counts
	var scanErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(p.full)
		counts, scanErr = p.weld(ctx, src)
	})
	var writeErr error
	for c := range p.full {
		if writeErr == nil {
			if writeErr = c.write(dst); writeErr != nil {
				cancel(writeErr)
			}
		}
		p.free <- c
	}
	wg.Wait()
	if writeErr != nil {
		return counts, fmt.Errorf("write OBJ: %w", writeErr)
	}
	if scanErr == nil && counts.Triangles == 0 {
		scanErr = fault.As(fault.Permanent, fmt.Errorf("none of its %d triangles has three different corners", counts.Degenerate))
	}
	return counts, scanErr
}

// A pipe hands chunks from the goroutine that reads and welds to the one that prints, and back.
type pipe struct{ full, free chan *chunk }

// A chunk is the new vertices and the faces of one batch of triangles.
type chunk struct {
	object   string // starts a new object when not empty
	vertices []mesh.Vec
	faces    [][3]uint32
	text     []byte
}

// weld reads src to its end, and sends what it holds in chunks.
func (p pipe) weld(ctx context.Context, src io.Reader) (Counts, error) {
	welder := mesh.NewWelder()
	solids, written := 0, int64(0)
	info, err := mesh.ScanSTL(ctx, src, func(b mesh.Batch) error {
		var c *chunk
		select {
		case c = <-p.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		c.object = ""
		if b.First {
			solids++
			c.object = objectName(b.Solid, solids)
		}
		c.fill(welder, b.Triangles)
		written += int64(len(c.faces))
		select {
		case p.full <- c:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	return Counts{
		Triangles:  written,
		Vertices:   int64(len(welder.Positions())),
		Degenerate: info.Degenerate,
		Trailing:   info.Trailing,
	}, err
}

// objectName names the n-th solid of a file; the first one may go without. A backslash at the end would join the next
// line to the name.
func objectName(solid string, n int) string {
	solid = strings.TrimRight(solid, `\`)
	if solid == "" && n > 1 {
		return "solid_" + strconv.Itoa(n)
	}
	return solid
}

func (c *chunk) fill(w *mesh.Welder, triangles []mesh.Triangle) {
	known := len(w.Positions())
	c.faces = c.faces[:0]
	for i := range triangles {
		var face [3]uint32
		for k := range face {
			face[k], _ = w.Add(triangles[i][k])
		}
		c.faces = append(c.faces, face)
	}
	c.vertices = append(c.vertices[:0], w.Positions()[known:]...)
}

func (c *chunk) write(dst io.Writer) error {
	b := c.text[:0]
	if c.object != "" {
		b = append(append(append(b, "o "...), c.object...), '\n')
	}
	for i := range c.vertices {
		b = append(b, 'v')
		for _, x := range c.vertices[i] {
			b = strconv.AppendFloat(append(b, ' '), float64(x), 'g', -1, 32)
		}
		b = append(b, '\n')
	}
	for _, face := range c.faces {
		b = append(b, 'f')
		for _, i := range face {
			b = strconv.AppendUint(append(b, ' '), uint64(i)+1, 10)
		}
		b = append(b, '\n')
	}
	c.text = b
	_, err := dst.Write(b)
	return err
}
