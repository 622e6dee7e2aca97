package engine

import (
	"fmt"

	"github.com/millrace/millrace/modules/fault"
)

// reserveGPU gets the task the GPUs that it asks for. This version reserves none, and running beside somebody else's
// work on a GPU, or without one, is not what was asked for.
func (s *taskScope) reserveGPU() error {
	if !s.task.WantsGPU() {
		return nil
	}
	pos, ok := s.task.Positions["gpu"]
	if !ok {
		pos = s.task.Pos
	}
	return fault.As(fault.Permanent, fmt.Errorf("%s: task %q asks for %s, and this version can't reserve GPUs; remove gpu: or run it with one that can",
		pos, s.label(), s.task.GPU))
}
