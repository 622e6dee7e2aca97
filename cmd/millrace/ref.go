package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// Kinds of queues and stores.
const (
	kindLocal = "local"
	kindSQS   = "sqs"
	kindCOS   = "cos"
	kindS3    = "s3"
)

// A queueRef names a queue as --queue does: local, sqs:NAME, an SQS URL or ARN, cos://bucket/prefix; ?weight=3&limit=4
// may follow.
type queueRef struct {
	text           string // as it was written, without class, weight and limit
	class          string // of the workers that take from it; empty is not said
	kind           string
	name           string // of an SQS queue, or its URL or ARN
	bucket, prefix string // of a COS queue
	weight         int    // share of deliveries while all queues have work; 0 is 1
	limit          int    // jobs at once from this queue; 0 is all slots
}

func parseQueue(text string) (queueRef, error) {
	whole, query, _ := strings.Cut(text, "?")
	r := queueRef{text: whole}
	scheme, rest, _ := strings.Cut(whole, ":")
	switch {
	case whole == kindLocal:
		r.kind = kindLocal
	case scheme == kindSQS && rest != "" && !strings.Contains(rest, "/"):
		r.kind, r.name = kindSQS, rest
	case scheme == "arn" && strings.Contains(rest, ":sqs:"), (scheme == "https" || scheme == "http") && strings.Count(rest, "/") > 3:
		r.kind, r.name = kindSQS, whole
	case strings.HasPrefix(whole, "cos://"):
		var err error
		if r.bucket, r.prefix, err = splitBucket(whole); err != nil {
			return r, err
		}
		r.kind = kindCOS
	default:
		return r, fmt.Errorf("%q is no queue; write local, sqs:NAME, an SQS queue's URL or ARN, or cos://bucket/prefix", whole)
	}
	return r, r.options(query)
}

// options reads what stands behind the question mark.
func (r *queueRef) options(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("%s: %q can't be read; write ?weight=3&limit=4", r.text, query)
	}
	for key, v := range values {
		n, err := strconv.Atoi(v[len(v)-1])
		switch {
		case key != "weight" && key != "limit":
			return fmt.Errorf("%s: %q is no option of a queue; there are weight and limit", r.text, key)
		case err != nil || n < 1 || n > maxSlots:
			return fmt.Errorf("%s: %s must be 1 to %d, got %q", r.text, key, maxSlots, v[len(v)-1])
		case key == "weight":
			r.weight = n
		default:
			r.limit = n
		}
	}
	return nil
}

// parseQueues reads a list of queues, each alone or like gpu=sqs:jobs-gpu, with the class of its workers. No queue may stand in
// it twice, and no class.
func parseQueues(texts []string) (refs []queueRef, errs []error) {
	seen := map[string]bool{}
	for _, text := range texts {
		class, rest, named := strings.Cut(text, "=")
		if !named || !isClass(class) {
			class, rest = "", text
		}
		r, err := parseQueue(rest)
		r.class = strings.ToLower(class)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case seen[r.text]:
			errs = append(errs, fmt.Errorf("%s is named twice", r.text))
			continue
		case r.class != "" && seen[r.class+"="]:
			errs = append(errs, fmt.Errorf("class %s has two queues", r.class))
			continue
		}
		seen[r.text], seen[r.class+"="] = true, true
		refs = append(refs, r)
	}
	if len(texts) == 0 {
		errs = append(errs, fmt.Errorf("no queue is named; the embedded one is local"))
	}
	return refs, errs
}

// isClass says whether a text can be a class of workers, and is no beginning of a queue.
func isClass(text string) bool {
	return pipelines.IsLabel(text) && !strings.ContainsAny(text, "/.")
}

// apart refuses places in COS that lie within each other: each would take the other's objects for its own.
func apart(queues []queueRef, store storeRef) (errs []error) {
	places := []storeRef{store}
	for _, q := range queues {
		places = append(places, storeRef{q.text, q.kind, q.bucket, q.prefix})
	}
	for i, a := range places {
		for _, b := range places[:i] {
			if a.kind == kindCOS && b.kind == kindCOS && a.bucket == b.bucket && (within(a.prefix, b.prefix) || within(b.prefix, a.prefix)) {
				errs = append(errs, fmt.Errorf("%s and %s overlap; give each queue and the store a prefix of its own, like cos://%s/queue and cos://%[3]s/records", b.text, a.text, a.bucket))
			}
		}
	}
	return errs
}

// within says whether what lies below a lies below b too.
func within(a, b string) bool {
	return b == "" || a == b || strings.HasPrefix(a, b+"/")
}

// A storeRef names a store as --store does: local, s3://bucket/prefix, cos://bucket/prefix.
type storeRef struct {
	text, kind, bucket, prefix string
}

func parseStore(text string) (storeRef, error) {
	r := storeRef{text: text, kind: kindLocal}
	if text == kindLocal {
		return r, nil
	}
	if !isBucket(text) {
		return r, fmt.Errorf("%q is no store; write local, s3://bucket/prefix or cos://bucket/prefix", text)
	}
	var err error
	r.kind, _, _ = strings.Cut(text, ":")
	r.bucket, r.prefix, err = splitBucket(text)
	return r, err
}

// isBucket says whether a text names a place in a bucket.
func isBucket(text string) bool {
	return strings.HasPrefix(text, "s3://") || strings.HasPrefix(text, "cos://")
}

// splitBucket parts "cos://bucket/prefix".
func splitBucket(text string) (bucket, prefix string, err error) {
	_, rest, _ := strings.Cut(text, "://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", fmt.Errorf("%q names no bucket; write it like cos://bucket/prefix", text)
	}
	return bucket, strings.Trim(prefix, "/"), nil
}
