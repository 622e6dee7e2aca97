package glb

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"sort"
)

// Write writes d as one GLB. Bytes that no view names are left out.
func (d *Document) Write(w io.Writer) error {
	out := *d
	parts, size, err := out.lay()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := encode(&text, reflect.ValueOf(&out).Elem()); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	for text.Len()%4 != 0 {
		text.WriteByte(' ')
	}
	const header, chunkHeader = 12, 8
	all := header + chunkHeader + int64(text.Len())
	if size > 0 {
		all += chunkHeader + size
	}
	if all > math.MaxUint32 {
		return malformed("it would be %d bytes, and a GLB can't be larger than 4 GiB", all)
	}
	head := binary.LittleEndian.AppendUint32([]byte("glTF\x02\x00\x00\x00"), uint32(all))
	head = append(binary.LittleEndian.AppendUint32(head, uint32(text.Len())), "JSON"...)
	head = append(head, text.Bytes()...)
	if size > 0 {
		head = append(binary.LittleEndian.AppendUint32(head, uint32(size)), "BIN\x00"...)
	}
	for _, p := range append([][]byte{head}, parts...) {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// WriteText writes d as one .gltf that holds all it needs, its bytes as text (base64).
func (d *Document) WriteText(w io.Writer) error {
	out := *d
	parts, size, err := out.lay()
	if err != nil {
		return err
	}
	if size > 0 {
		text := []byte(`"data:application/octet-stream;base64,`)
		text = append(base64.StdEncoding.AppendEncode(text, bytes.Join(parts, nil)), '"')
		out.Buffers[0].Rest = Rest{"uri": text}
	}
	var text bytes.Buffer
	if err := encode(&text, reflect.ValueOf(&out).Elem()); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = w.Write(text.Bytes())
	return err
}

// A span is a part of a buffer that views need.
type span struct {
	buffer     int
	start, end int64
	at         int64 // where it will be
}

// lay makes one buffer of all that views need, and returns it in parts whose lengths are multiples of four. Buffers that are
// fallbacks of compressed views stay as they are, behind it. d's lists are replaced, not changed.
func (d *Document) lay() (parts [][]byte, size int64, err error) {
	var spans []span
	for i := range d.BufferViews {
		v := &d.BufferViews[i]
		c, packed, err := v.compressed()
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("bufferView %d: %w", i, err)
		case packed:
			spans = append(spans, span{buffer: c.Buffer, start: c.Offset, end: c.Offset + c.Length})
		}
		if !d.Buffers[v.Buffer].hollow() {
			spans = append(spans, span{buffer: v.Buffer, start: v.Offset, end: v.Offset + v.Length})
		}
	}
	spans = merge(spans)
	for i := range spans {
		s := &spans[i]
		s.at = size
		data := d.Buffers[s.buffer].Data[s.start:s.end]
		parts = append(parts, data)
		size += int64(len(data))
		if pad := -size & 3; pad > 0 {
			parts = append(parts, make([]byte, pad))
			size += pad
		}
	}
	if size == 0 && len(spans) > 0 { // of empty views; a buffer can't be empty
		size = 4
		parts = append(parts, make([]byte, size))
	}
	d.point(spans, size)
	return parts, size, nil
}

// hollow says whether the buffer lacks bytes that it promises.
func (b *Buffer) hollow() bool { return int64(len(b.Data)) < b.Length }

// merge joins spans that overlap, or lie so close that a view's alignment can be kept, each from a multiple of four on.
func merge(spans []span) []span {
	for i := range spans {
		spans[i].start &^= 3
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.buffer, b.buffer), cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].buffer == s.buffer && s.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// point makes views name the buffer that the spans are now in.
func (d *Document) point(spans []span, size int64) {
	moved := func(buffer int, offset int64) int64 { // what is at offset lies in the last span that begins before it
		i := sort.Search(len(spans), func(i int) bool {
			return spans[i].buffer > buffer || spans[i].buffer == buffer && spans[i].start > offset
		}) - 1
		return spans[i].at + offset - spans[i].start
	}
	old := d.Buffers
	d.Buffers = nil
	if size > 0 {
		d.Buffers = []Buffer{{Length: size}}
	}
	hollow := map[int]int{}
	views := slices.Clone(d.BufferViews)
	for i := range views {
		v := &views[i]
		if c, packed, _ := v.compressed(); packed {
			v.Extensions = repacked(v.Extensions, moved(c.Buffer, c.Offset))
		}
		if b := old[v.Buffer]; b.hollow() {
			if _, there := hollow[v.Buffer]; !there {
				hollow[v.Buffer] = len(d.Buffers)
				d.Buffers = append(d.Buffers, b)
			}
			v.Buffer = hollow[v.Buffer]
			continue
		}
		v.Offset = moved(v.Buffer, v.Offset)
		v.Buffer = 0
	}
	d.BufferViews = views
}

// repacked is the extensions of a compressed view whose bytes are now in buffer 0.
func repacked(all Extensions, offset int64) Extensions {
	out := Extensions{}
	for name, raw := range all {
		var e map[string]json.RawMessage
		if (name == "EXT_meshopt_compression" || name == "KHR_meshopt_compression") && json.Unmarshal(raw, &e) == nil {
			e["buffer"] = json.RawMessage("0")
			e["byteOffset"] = fmt.Appendf(nil, "%d", offset)
			raw, _ = json.Marshal(e) // a map of JSON has JSON
		}
		out[name] = raw
	}
	return out
}
