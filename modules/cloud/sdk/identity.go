package sdk

import (
	"errors"
	"net/http"
	"strings"

	"github.com/IBM/ibm-cos-sdk-go/aws/awserr"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials/ibmiam/token"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/modules/cloud"
)

// identity says why there were no credentials to make a call with, where that is what err says: none were found, or who
// gives them out refuses. A service that gives them out and does not answer is unreachable like any other.
func identity(status int, err error) (cloud.Why, bool) {
	text := err.Error()
	switch {
	case strings.Contains(text, "TokenManagerRetrieveError"):
		if iamCode(err) != "" {
			return cloud.Denied, true
		}
		return cloud.Unreachable, true
	case strings.Contains(text, "NoCredentialProviders"):
		return cloud.Denied, true
	case strings.Contains(text, "get credentials"):
		if askedOf(err) == "STS" && (status == 0 || status >= http.StatusInternalServerError) {
			return cloud.Unreachable, true
		}
		return cloud.Denied, true
	}
	return "", false
}

// iamCode is the error code of IBM's IAM, like BXNIM0415E; empty where it gave none. The SDK's errors do not unwrap.
func iamCode(err error) string {
	for e, ok := errors.AsType[awserr.Error](err); ok && e.OrigErr() != nil; e, ok = errors.AsType[awserr.Error](err) {
		err = e.OrigErr()
	}
	if e, ok := errors.AsType[*token.Error](err); ok {
		return e.ErrorCode
	}
	return ""
}

// askedOf is the service of the innermost call of AWS's SDK: of credentials, who was to give them.
func askedOf(err error) (service string) {
	for e, ok := errors.AsType[*smithy.OperationError](err); ok; e, ok = errors.AsType[*smithy.OperationError](err) {
		service, err = e.Service(), e.Unwrap()
	}
	return service
}
