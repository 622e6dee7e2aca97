package chromium

import (
	"context"
	"time"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/warm"
)

// maxUses is how many models one browser draws before another takes its place.
const maxUses = 50

// A Warm keeps a browser for a job's next model.
type Warm struct{ place *warm.Place[*process] }

// NewWarm makes one. Close it after use.
func NewWarm() *Warm { return &Warm{warm.New[*process](maxUses)} }

// Close ends the browser, and waits for it.
func (w *Warm) Close() { w.place.Close() }

// Ready starts c.Warm's browser before there is a model, and opens the page that will draw it, whose programs the
// graphics driver has made then. It is an error where that can't be
// done; the next Draw tries again.
func (c Chromium) Ready(ctx context.Context) error {
	return c.Warm.place.Use(ctx, c.Env, c.start, func(p *process) error {
		return p.lead(ctx, func() error {
			if p.page != nil {
				return nil
			}
			if err := p.open(); err != nil {
				return err
			}
			return p.evaluate("painter.rehearse()", nil)
		})
	})
}

// use has work use the browser that runs, or a new one, and tells what that used meanwhile.
func (w *Warm) use(ctx context.Context, c Chromium, work func(*process) error) (stats proc.Stats, err error) {
	began := time.Now()
	var used *process
	err = w.place.Use(ctx, c.Env, c.start, func(p *process) error {
		used = p
		p.usage.Take() // what others used
		err := work(p)
		stats = p.usage.Take()
		return err
	})
	if used != nil && used.Gone() {
		stats = used.exit.Stats
	}
	stats.Elapsed = time.Since(began)
	return stats, err
}
