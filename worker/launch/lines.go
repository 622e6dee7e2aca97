package launch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A lineReader reads JSON values, one a line, none longer than max bytes.
type lineReader struct {
	r    *bufio.Reader
	max  int
	size int // of the last line, bytes
}

func newLineReader(r io.Reader, max int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 16<<10), max: max}
}

// next decodes the next line into v. io.EOF is a clean end.
func (l *lineReader) next(v any) error {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && line == nil {
			l.size = len(part)
			return json.Unmarshal(part, v)
		}
		line = append(line, part...)
		switch {
		case len(line) > l.max:
			return fmt.Errorf("line of more than %d bytes", l.max)
		case err == nil:
			l.size = len(line)
			return json.Unmarshal(line, v)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}

// A lineWriter writes JSON values, one a line, each in one Write.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(append(b, '\n'))
	return err
}
