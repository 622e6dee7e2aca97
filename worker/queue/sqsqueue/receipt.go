package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/worker/queue"
)

// A receipt is SQS's receipt handle, its own ID of the message, and when it was received: from then SQS counts the 12 hours.
type receipt struct {
	handle string
	id     string
	limit  time.Time
}

func (r receipt) String() string {
	b := make([]byte, 0, 512) // on the stack: SQS's handles are shorter
	b = strconv.AppendInt(b, r.limit.Add(-maxHidden).Unix(), 10)
	b = append(b, '.')
	b = append(b, r.id...)
	b = append(b, '.')
	return string(append(b, r.handle...))
}

// parseReceipt returns queue.ErrLeaseLost for what no Receive has returned.
func parseReceipt(r queue.Receipt) (receipt, error) {
	received, rest, _ := strings.Cut(string(r), ".")
	id, handle, _ := strings.Cut(rest, ".")
	unix, err := strconv.ParseInt(received, 10, 64)
	if err != nil || unix <= 0 || handle == "" {
		return receipt{}, fmt.Errorf("%w: the receipt is none of this queue's", queue.ErrLeaseLost)
	}
	return receipt{handle, id, time.Unix(unix, 0).Add(maxHidden)}, nil
}

// cap is for how many seconds the message may be hidden from now, by the wall clock: for what is not a lease's length.
// Where the 12 hours are over by our clock SQS is asked all the same: it refuses by its own.
func (r receipt) cap(d time.Duration) int32 {
	d = min(d, maxHidden)
	if left := time.Until(r.limit).Truncate(time.Second); left > 0 && left < d {
		return int32(left / time.Second)
	}
	return seconds(d)
}

// lost reads the answer to a call by receipt. InvalidParameterValue is what SQS says of a handle that has expired, and of
// an extension beyond 12 hours; all other parameters are ours and right.
func lost(ctx context.Context, call string, err error) error {
	if err == nil || ctx.Err() != nil {
		return sdk.Explain(ctx, call, err)
	}
	if code := sdk.Code(err); isLost(code) {
		return fmt.Errorf("%s: %w (%s)", call, queue.ErrLeaseLost, code)
	}
	return sdk.Explain(ctx, call, err)
}

func isLost(code string) bool {
	switch strings.TrimPrefix(code, "AWS.SimpleQueueService.") {
	case "ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue":
		return true
	}
	return false
}
