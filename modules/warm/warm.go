// Package warm keeps a program running from one request to the next: one that takes a second to start, and a tenth of that to
// answer.
package warm

import (
	"context"
	"slices"
	"strings"
)

// A Program runs and answers requests, one after the other.
type Program interface {
	Gone() bool // it has ended by itself
	End()       // ends it with all it started, and waits for that
}

// A Place keeps one program. It belongs to one job: nothing of another may be in the program's memory. It has none until there is a
// use for one. All methods may be called from any goroutine; uses wait for each other.
type Place[P Program] struct {
	most int
	turn chan struct{} // holds a token: who took it may use the fields below

	program P
	there   bool     // whether there is a program
	env     []string // that it was started with, as far as it counts
	uses    int      // that it has had
}

// New makes a place whose program has that many uses before another takes its turn: what it leaks goes with it. Close it after use.
func New[P Program](most int) *Place[P] {
	p := &Place[P]{most: most, turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// Close ends the program. A use that is under way comes first.
func (p *Place[P]) Close() {
	<-p.turn
	defer func() { p.turn <- struct{}{} }()
	p.end()
}

// end ends the program that runs; the turn is the caller's.
func (p *Place[P]) end() {
	if p.there {
		p.program.End()
		p.there = false
	}
}

// Use hands work the program that runs, or one that start starts with the environment env and that must outlive the context which
// start gets. A program whose work failed is ended, as is one that was started with another environment.
func (p *Place[P]) Use(ctx context.Context, env []string, start func(context.Context) (P, error), work func(P) error) error {
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	env = lasting(env)
	if p.there && (p.uses >= p.most || p.program.Gone() || !slices.Equal(p.env, env)) {
		p.end()
	}
	if !p.there {
		program, err := start(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		p.program, p.there, p.env, p.uses = program, true, env, 0
	}
	p.uses++
	err := work(p.program)
	if err != nil {
		p.end()
	}
	return err
}

// lasting is an environment without what says which job it is for: a program may be started before that is known.
func lasting(env []string) []string {
	kept := slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return strings.HasPrefix(v, "JOB_ID=") || strings.HasPrefix(v, "CID=")
	})
	slices.Sort(kept)
	return kept
}
