package gpu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fits returns why m could not give what n asks for once nothing is leased: a *UnfitError.
func (m *Machine) fits(n Need) error {
	want := max(n.Count, 1)
	var fit, passing int
	var not []string
	for _, r := range m.Devices {
		why := r.refuses(n)
		if why == "" {
			fit++
			continue
		}
		if r.passes {
			passing++
		}
		not = append(not, r.label()+" "+why)
	}
	if m.Unfit == "" && fit >= want {
		return nil
	}
	why := few(not)
	switch {
	case m.Unfit != "":
		why = m.Unfit
	case len(m.Devices) == 0:
		return &UnfitError{n, ErrNoDevice.Error(), ErrNoDevice}
	case want > len(m.Devices):
		why = fmt.Sprintf("it has only %d", len(m.Devices))
	case fit > 0:
		why = fmt.Sprintf("only %d would do: %s", fit, why)
	}
	if m.Unfit == "" && fit+passing >= want {
		return &UnfitError{n, why, ErrPasses}
	}
	return &UnfitError{Need: n, Why: why}
}

// mostReasons is how many devices an error tells of.
const mostReasons = 4

func few(reasons []string) string {
	text := strings.Join(reasons[:min(len(reasons), mostReasons)], "; ")
	if more := len(reasons) - mostReasons; more > 0 {
		text += fmt.Sprintf("; and so on for %d more", more)
	}
	return text
}

// refuses says why the device could never be given for n; "" where it could, at the latest when its lease ends.
func (r *Report) refuses(n Need) string {
	room := r.Free
	if r.Leased {
		room = r.Memory // what is taken now goes with the task that has it
	}
	switch {
	case r.Unfit != "":
		return "is out of service: " + r.Unfit
	case n.Capability != "" && CompareCapability(r.Capability, n.Capability) < 0:
		return "has compute capability " + r.Capability
	case n.Count > 1 && r.Parent != "":
		return "is a MIG instance, of which a program can use only one"
	case n.Memory > r.Memory:
		return fmt.Sprintf("has %d MiB of memory", r.Memory>>20)
	case n.Memory > room:
		return fmt.Sprintf("has %d MiB of memory free, others have the rest", room>>20)
	case n.Encoder && !r.Encoder && !r.untried:
		return "can't encode video: " + r.NoEncoder
	}
	return ""
}

// label is what errors call the device: "GPU 0 (NVIDIA L4)".
func (r *Report) label() string { return fmt.Sprintf("GPU %d (%s)", r.Index, r.Name) }

// named says whether a word of CUDA_VISIBLE_DEVICES means the device.
func (r *Report) named(word string) bool {
	return word == strconv.Itoa(r.Index) || word != "" && strings.HasPrefix(r.UUID, word) && strings.Contains(word, "-")
}

// maxPassed is how many that came later may take devices before the eyes of one who needs more of them than are free.
const maxPassed = 4

// share is the devices that w, who need not be waiting, gets now, nil where it has to wait; and who is passed by that: came
// before, could use some of them, and lacks others. Whoever came before keeps what he could use himself, as many as he needs,
// once that is all he needs or enough have passed him: nobody waits forever, and devices that are of no use to him serve others.
// The caller holds mu, and m is marked.
func (p *Pool) share(m *Machine, w *waiter) (got []Report, passed []*waiter) {
	free := slices.DeleteFunc(slices.Clone(m.Devices), func(r Report) bool { return r.Leased })
	lacking := map[*waiter][]Report{}
	for _, o := range p.waiting {
		if o == w {
			break
		}
		fit, all := o.pick(free)
		if !all && o.passed < maxPassed {
			lacking[o] = fit
			continue
		}
		free = slices.DeleteFunc(free, func(r Report) bool { return among(fit, r) })
	}
	got, all := w.pick(free)
	if !all {
		return nil, nil
	}
	for o, fit := range lacking {
		if slices.ContainsFunc(fit, func(r Report) bool { return among(got, r) }) {
			passed = append(passed, o)
		}
	}
	return got, passed
}

// pick is the first of the devices that w could use, and whether they are all that it needs.
func (w *waiter) pick(free []Report) (fit []Report, all bool) {
	want := max(w.need.Count, 1)
	for _, r := range free {
		if len(fit) < want && r.refuses(w.need) == "" {
			fit = append(fit, r)
		}
	}
	return fit, len(fit) == want
}

func among(all []Report, r Report) bool {
	return slices.ContainsFunc(all, func(o Report) bool { return o.UUID == r.UUID })
}
