package nunjucks

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
)

// What a template ran into; errors.Is finds them in an *Error.
var (
	ErrSteps     = errors.New("too many steps")
	ErrOutput    = errors.New("too much output")
	ErrMemory    = errors.New("too much memory")
	ErrItems     = errors.New("too many items")
	ErrDepth     = errors.New("nested too deep")
	ErrSource    = errors.New("source too long")
	ErrRegexTime = errors.New("regular expressions take too long")
)

// Limits bound one parse or one render. Zero fields mean the defaults.
type Limits struct {
	Steps  int           // work: nodes run, calls, and 1 for every 256 bytes a call reads; 2,000,000
	Output int           // bytes of the output and of any one string; 16 MiB
	Memory int           // bytes of all strings and lists a render builds, dropped ones too; 256 MiB
	Items  int           // entries of any one list; 1,000,000
	Depth  int           // nesting of tags and brackets, operators in a row, macro and include calls; 250
	Source int           // bytes of one template; 1 MiB
	Regex  time.Duration // spent in regular expressions by one render; 250 ms
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Steps:  cmp.Or(l.Steps, 2_000_000),
		Output: cmp.Or(l.Output, 16<<20),
		Memory: cmp.Or(l.Memory, 256<<20),
		Items:  cmp.Or(l.Items, 1_000_000),
		Depth:  cmp.Or(l.Depth, 250),
		Source: cmp.Or(l.Source, 1<<20),
		Regex:  cmp.Or(l.Regex, 250*time.Millisecond),
	}
}

// stepsPerLook is how many steps pass between two looks at the context.
const stepsPerLook = 1024

// A budget is what is left of the limits. Templates that include each other share one.
type budget struct {
	steps, memory int
	regex         time.Duration
	nextLook      int // look round when steps falls below it
}

func newBudget(l Limits) budget {
	return budget{steps: l.Steps, memory: l.Memory, regex: l.Regex, nextLook: l.Steps}
}

// tick takes n steps.
func (s *state) tick(n int) {
	s.budget.steps -= n
	if s.budget.steps < s.budget.nextLook {
		s.look()
	}
}

// look ends the render that has no steps left or whose context is done.
func (s *state) look() {
	b := s.budget
	if b.steps < 0 {
		s.failWith(ErrSteps, "the template takes more than %d steps", s.env.limits.Steps)
	}
	b.nextLook = max(0, b.steps-stepsPerLook)
	if _, err := s.host(cause); err != nil {
		s.failWith(err, "stopped: %v", err)
	}
}

// cause is why the render must end now; nil to go on.
func cause(ctx context.Context) (any, error) { return nil, context.Cause(ctx) }

// charge takes n bytes of memory. Call it before building what multiplies its input.
func (s *state) charge(n int) {
	s.budget.memory -= n
	if s.budget.memory < 0 {
		s.failWith(ErrMemory, "the template builds more than %d bytes of values", s.env.limits.Memory)
	}
}

// chargeText is charge for one string of n bytes.
func (s *state) chargeText(n int) {
	if n > s.env.limits.Output || n < 0 {
		s.failWith(ErrOutput, "a string is longer than %d bytes", s.env.limits.Output)
	}
	s.charge(n)
}

// repeated is strings.Repeat within the limits.
func (s *state) repeated(text string, n int) string {
	if n <= 0 || text == "" {
		return ""
	}
	if n > s.env.limits.Output/len(text) {
		s.chargeText(s.env.limits.Output + 1)
	}
	s.charge(n * len(text))
	return strings.Repeat(text, n)
}

// bytesPerItem is what an entry of a list costs: the interface and a small value behind it.
const bytesPerItem = 32

// chargeList is charge for one list of n entries.
func (s *state) chargeList(n int) {
	if n > s.env.limits.Items || n < 0 {
		s.failWith(ErrItems, "a list has more than %d items", s.env.limits.Items)
	}
	s.charge(n * bytesPerItem)
}

// stepsPerBigNumber is what a calculation with hundreds of digits costs.
const stepsPerBigNumber = 32

// bytesPerStep is how much of a string a call may look at for one step; a list's entry counts for 16 bytes.
const bytesPerStep = 256

// read takes the steps of looking at all of v, where that is a string or list.
func (s *state) read(v any) {
	switch x := v.(type) {
	case string:
		s.tick(len(x) / bytesPerStep)
	case Safe:
		s.tick(len(x) / bytesPerStep)
	case *list:
		s.tick(x.len() * 16 / bytesPerStep)
	}
}

// enter goes one level of calls deeper; leave comes back. A panic in between ends the render, so leave needs no defer.
func (s *state) enter() {
	s.depth++
	if s.depth > s.env.limits.Depth {
		s.failWith(ErrDepth, "calls are nested more than %d deep", s.env.limits.Depth)
	}
}

func (s *state) leave() { s.depth-- }
