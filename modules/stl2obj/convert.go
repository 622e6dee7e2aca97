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
	p := pipe{read: make(chan *chunk), welded: make(chan *chunk), free: make(chan *chunk, chunks)}
	for range chunks {
		p.free <- &chunk{}
	}
	var counts Counts
	var scanErr error
	welder := mesh.NewWelder()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(p.read)
		counts, scanErr = p.scan(ctx, src)
	})
	wg.Go(func() {
		defer close(p.welded)
		for c := range p.read {
			c.weld(welder)
			p.welded <- c
		}
	})
	var writeErr error
	for c := range p.welded {
		if writeErr == nil {
			if writeErr = c.write(dst); writeErr != nil {
				cancel(writeErr)
			}
		}
		p.free <- c
	}
	wg.Wait()
	counts.Vertices = int64(len(welder.Positions()))
	if writeErr != nil {
		return counts, fmt.Errorf("write OBJ: %w", writeErr)
	}
	if scanErr == nil && counts.Triangles == 0 {
		scanErr = fault.As(fault.Permanent, fmt.Errorf("none of its %d triangles has three different corners", counts.Degenerate))
	}
	return counts, scanErr
}

// chunks is how many are under way: one is read, one welded, one printed.
const chunks = 3

// A pipe hands chunks from the goroutine that reads to the one that welds, to the one that prints, and back.
type pipe struct{ read, welded, free chan *chunk }

// A chunk is one batch of triangles, and the new vertices and the faces that come of it.
type chunk struct {
	object    string // starts a new object when not empty
	triangles []mesh.Triangle
	vertices  []mesh.Vec
	faces     [][3]uint32
	text      []byte
}

// scan reads src to its end, and sends what it holds in chunks.
func (p pipe) scan(ctx context.Context, src io.Reader) (Counts, error) {
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
		c.triangles = append(c.triangles[:0], b.Triangles...)
		written += int64(len(c.triangles))
		p.read <- c
		return nil
	})
	return Counts{Triangles: written, Degenerate: info.Degenerate, Trailing: info.Trailing}, err
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

func (c *chunk) weld(w *mesh.Welder) {
	known := len(w.Positions())
	c.faces = c.faces[:0]
	for i := range c.triangles {
		var face [3]uint32
		for k := range face {
			face[k], _ = w.Add(c.triangles[i][k])
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
