// Package sdk is what the drivers of cloud services share that know the SDKs: how to get in, and what a refusal means.
//
// Every error of a call to AWS, to IBM COS or to a server that speaks as they do passes through Explain, where the call
// is made: above it there are no SDK types and no error codes, only a *cloud.Error with a Why, and a fault kind.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

// Explain makes a *cloud.Error of an SDK's error, permanent where it is Refused and else transient; the end of ctx, and what
// our own side refuses for good (an address that jobs may not reach), are left as what they are; nil stays nil. call is for
// people: what was called, and on what.
func Explain(ctx context.Context, call string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", call, context.Cause(ctx))
	}
	if e := settled(err); e != nil {
		return fmt.Errorf("%s: %w", call, e)
	}
	code, status := answer(err)
	w := why(code, status, err)
	e := &cloud.Error{Call: call, Why: w, Code: code, Text: sentence(w, code, status, err), Err: err}
	switch w {
	case cloud.Refused:
		return fault.As(fault.Permanent, e)
	case cloud.Denied, cloud.Missing, cloud.Locked, cloud.Unclear: // credentials rotate, queues are made again: not at the pace of a flaky network
		return fault.After(5*time.Second, e)
	}
	return fault.As(fault.Transient, e)
}

// sentence is what came back, for people, with a remedy where there is one.
func sentence(w cloud.Why, code string, status int, err error) string {
	_, strange := errors.AsType[*smithy.DeserializationError](err)
	switch {
	case w == cloud.Missing && elsewhere(code):
		return fmt.Sprintf("it is in another region than the one that was given (%s); give its own", code)
	case w == cloud.Missing:
		return fmt.Sprintf("it does not exist (%s); check name, account and region", code)
	case w == cloud.Denied && code == "":
		return fmt.Sprintf("no credentials were found (%s); give them by the environment, a profile, or the pod's identity", oneLine(root(err)))
	case w == cloud.Denied:
		return fmt.Sprintf("the credentials are wrong, have expired, or lack the permission (%s)", code)
	case w == cloud.Locked:
		return fmt.Sprintf("the KMS key that encrypts it can't be used (%s); enable the key again", code)
	case w == cloud.Skewed:
		return fmt.Sprintf("this machine's clock is off (%s); set it by NTP", code)
	case w == cloud.Unclear && strange:
		return fmt.Sprintf("what answers is no such service (HTTP status %d); check the endpoint's URL", status)
	case w == cloud.Unreachable && status == 0:
		return fmt.Sprintf("no answer from %s; check the endpoint, DNS and the network's rules", silent(err))
	}
	return oneLine(err)
}
