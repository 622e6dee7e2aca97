package engine

import (
	"fmt"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

// reserveGPU gets the task the GPUs that it asks for. This version reserves none, and running beside somebody else's
// work on a GPU, or without one, is not what was asked for.
func (s *taskScope) reserveGPU() error {
	if s.task.GPU == nil {
		return nil
	}
	pos, ok := s.task.Positions["gpu"]
	if !ok {
		pos = s.task.Pos
	}
	return fault.As(fault.Permanent, fmt.Errorf("%s: task %q asks for %s, and this version can't reserve GPUs; remove gpu: or run it with one that can",
		pos, s.label(), gpuNeed(s.task.GPU)))
}

// gpuNeed says what a task asks for: "2 GPUs with 16 GiB each".
func gpuNeed(g *pipelines.GPU) string {
	text, each := fmt.Sprintf("%d GPUs", g.Count), " each"
	if g.Count <= 1 {
		text, each = "a GPU", ""
	}
	switch {
	case g.Memory >= 1<<30 && g.Memory%(1<<30) == 0:
		text += fmt.Sprintf(" with %d GiB%s", g.Memory>>30, each)
	case g.Memory > 0:
		text += fmt.Sprintf(" with %d MiB%s", g.Memory>>20, each)
	}
	if g.Capability != "" {
		text += ", of compute capability " + g.Capability + " or higher"
	}
	if g.Encoder {
		text += ", with a video encoder"
	}
	return text
}
