package cosqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/modules/fault"
)

// errUnsafe says that leases can't be kept in a bucket.
var errUnsafe = errors.New("the bucket does not honour conditional writes, and there is no safe lease on plain reads and writes")

const unsafeRemedy = "use SQS, or a bucket of IBM COS, S3, MinIO or versitygw, which refuse a PUT by If-None-Match and If-Match"

// probe proves that of two writers one wins, and finds out whether deletions can be conditional too. A bucket where both
// writers win is a permanent fault.
func (b *bucket) probe(ctx context.Context) (err error) {
	key := probes + newToken()
	defer func() {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		if lost := b.remove(cleaning, key); err == nil {
			err = lost
		}
	}()
	etag, err := b.put(ctx, key, []byte("{}"), absent())
	if err != nil {
		return err
	}
	for _, c := range []struct {
		condition condition
		refused   bool
		missing   string
	}{
		{absent(), true, "it took a PUT with If-None-Match where there was an object"},
		{unchanged("00000000000000000000000000000000"), true, "it took a PUT with the If-Match of another object"},
		{unchanged(etag), false, "it refused a PUT with the right If-Match"},
	} {
		_, err := b.put(ctx, key, []byte(`{"probe":"`+c.condition.header+`"}`), c.condition)
		switch {
		case err != nil && !errors.Is(err, errTaken):
			return err
		case c.refused != (err != nil):
			return fault.As(fault.Permanent, fmt.Errorf("%w (%s): %s", errUnsafe, c.missing, unsafeRemedy))
		}
	}
	b.guarded.Store(errors.Is(b.removeIf(ctx, key, unchanged(etag)), errTaken)) // the last write made it another
	return nil
}
