package modules

import (
	"math"
	"time"
)

// Measure starts to measure work that is done in this process, without a program. end returns its Stats: the CPU
// time that the process has used since, as a share of the time that has passed, and the most memory that it has held
// since it began. What else the process does counts too; a job's process does nothing else.
func Measure() (end func() Stats) {
	began, before := time.Now(), cpuTime()
	return func() Stats {
		elapsed := time.Since(began)
		s := Stats{MaxMem: peakMemory(), Elapsed: elapsed.Milliseconds()}
		if elapsed > 0 {
			s.MaxCPU = math.Round(1000*float64(cpuTime()-before)/float64(elapsed)) / 10
		}
		return s
	}
}
