package sqsqueue

import "time"

// LimitCalls sets callLimit for one driver.
func (d *Driver) LimitCalls(to time.Duration) { d.limit = to }
