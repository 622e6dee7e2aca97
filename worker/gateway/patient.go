package gateway

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// slowest is how long a client may take to accept one write.
const slowest = 30 * time.Second

// A patientWriter gives a client time for each write, in place of a limit for the whole answer: a log or an artifact may take hours, and who
// does not read at all holds nothing for long.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	limit   time.Duration
}

func patient(w http.ResponseWriter) *patientWriter {
	return &patientWriter{ResponseWriter: w, control: http.NewResponseController(w), limit: slowest}
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(p.limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// flush sends what was written.
func (p *patientWriter) flush() error {
	if err := p.control.SetWriteDeadline(time.Now().Add(p.limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return p.control.Flush()
}

// tooSlow says whether err is a client's that did not read.
func tooSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
