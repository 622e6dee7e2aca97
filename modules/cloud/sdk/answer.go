package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/IBM/ibm-cos-sdk-go/aws/awserr"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"google.golang.org/api/googleapi"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

// answer is what a service said: its error code and HTTP status; empty and 0 where it said nothing.
func answer(err error) (code string, status int) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
		code = code[strings.LastIndex(code, "#")+1:] // servers of others leave the protocol's namespace in front
	}
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = e.HTTPStatusCode()
	}
	if e, ok := errors.AsType[awserr.RequestFailure](err); ok {
		return e.Code(), e.StatusCode()
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		if len(e.Errors) > 0 {
			code = e.Errors[0].Reason
		}
		return code, e.Code
	}
	if code == "" {
		code = iamCode(err)
	}
	return code, status
}

// Code is the error code of an SDK's error; empty where the service said nothing.
func Code(err error) string {
	code, _ := answer(err)
	return code
}

// Status is the HTTP status of an SDK's error; 0 where there was no answer.
func Status(err error) int {
	_, status := answer(err)
	return status
}

// Region is where S3 says a bucket is, in the error of a call that was made elsewhere; empty in any other.
func Region(err error) string {
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok && elsewhere(Code(err)) {
		return e.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}

// elsewhere says whether a code of S3's means that the bucket is in another region.
func elsewhere(code string) bool {
	return code == "AuthorizationHeaderMalformed" || code == "PermanentRedirect" || code == "IllegalLocationConstraintException"
}

// root is the innermost error: SDKs wrap each in what they were doing, several times over.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if e, ok := err.(awserr.Error); ok {
			inner = e.OrigErr()
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

// settled is what our own side has refused for good; nil where that is not what err is.
func settled(err error) *fault.Error {
	for err != nil {
		if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Permanent {
			return e
		}
		e, ok := errors.AsType[awserr.Error](err)
		if !ok {
			return nil
		}
		err = e.OrigErr()
	}
	return nil
}

// silent is whom we called, and why there was no answer.
func silent(err error) string {
	for e := err; e != nil; {
		if u, ok := errors.AsType[*url.Error](e); ok {
			host := u.URL
			if parsed, err := url.Parse(u.URL); err == nil {
				host = parsed.Scheme + "://" + parsed.Host
			}
			return fmt.Sprintf("%s: %s", host, oneLine(root(u)))
		}
		a, ok := errors.AsType[awserr.Error](e)
		if !ok {
			break
		}
		e = a.OrigErr()
	}
	return "the service: " + oneLine(root(err))
}

var codes = map[string]cloud.Why{
	"QueueDoesNotExist": cloud.Missing, "NonExistentQueue": cloud.Missing, "NoSuchBucket": cloud.Missing,

	"AccessDenied": cloud.Denied, "AccessDeniedException": cloud.Denied, "InvalidClientTokenId": cloud.Denied, "UnrecognizedClientException": cloud.Denied,
	"InvalidAccessKeyId": cloud.Denied, "SignatureDoesNotMatch": cloud.Denied, "ExpiredToken": cloud.Denied, "ExpiredTokenException": cloud.Denied,
	"InvalidToken": cloud.Denied, "InvalidSignatureException": cloud.Denied, "MissingAuthenticationToken": cloud.Denied, "AuthFailure": cloud.Denied,
	"KmsAccessDenied": cloud.Denied, "KMS.AccessDeniedException": cloud.Denied, "AllAccessDisabled": cloud.Denied,
	"TokenRefreshRequired": cloud.Denied,
	"XAdminUserNotFound":   cloud.Denied, // versitygw, of an access key that it doesn't know, with 404

	"ThrottlingException": cloud.Throttled, "Throttling": cloud.Throttled, "RequestThrottled": cloud.Throttled, "SlowDown": cloud.Throttled,
	"OverLimit": cloud.Throttled, "TooManyRequestsException": cloud.Throttled, "RequestLimitExceeded": cloud.Throttled, "BandwidthLimitExceeded": cloud.Throttled,
	"KmsThrottled": cloud.Throttled, "KMS.ThrottlingException": cloud.Throttled,

	"ConditionalRequestConflict": cloud.Throttled, "OperationAborted": cloud.Throttled, // of S3: another call is being done for the same key

	// S3 has these with 400: what we sent came too slowly, in part, or was changed on its way.
	"RequestTimeout": cloud.Unreachable, "IncompleteBody": cloud.Unreachable, "BadDigest": cloud.Unreachable, "XAmzContentSHA256Mismatch": cloud.Unreachable,

	// S3 of a bucket that lies in another region.
	"PermanentRedirect": cloud.Missing, "AuthorizationHeaderMalformed": cloud.Missing, "IllegalLocationConstraintException": cloud.Missing,

	// What a second try of the same call can't mend, and nobody but the caller. All that stands nowhere here may pass.
	"InvalidParameterValue": cloud.Refused, "InvalidParameterCombination": cloud.Refused, "MissingParameter": cloud.Refused, "ValidationException": cloud.Refused,
	"InvalidMessageContents": cloud.Refused, "InvalidAttributeName": cloud.Refused, "InvalidAttributeValue": cloud.Refused, "BatchRequestTooLong": cloud.Refused,
	"InvalidAddress": cloud.Refused, "UnsupportedOperation": cloud.Refused, "InvalidArgument": cloud.Refused, "InvalidRequest": cloud.Refused,
	"InvalidURI": cloud.Refused, "InvalidBucketName": cloud.Refused, "InvalidRange": cloud.Refused, "EntityTooLarge": cloud.Refused, "EntityTooSmall": cloud.Refused,
	"KeyTooLongError": cloud.Refused, "MetadataTooLarge": cloud.Refused, "MalformedXML": cloud.Refused, "MethodNotAllowed": cloud.Refused, "NotImplemented": cloud.Refused,
	"PreconditionFailed": cloud.Refused, "InvalidPart": cloud.Refused, "InvalidPartOrder": cloud.Refused,

	// Of Google's, which has the first three with 403 as well.
	"rateLimitExceeded": cloud.Throttled, "userRateLimitExceeded": cloud.Throttled, "dailyLimitExceeded": cloud.Throttled,
	"conditionNotMet": cloud.Refused, "invalid": cloud.Refused, "required": cloud.Refused, "invalidParameter": cloud.Refused, "invalidArgument": cloud.Refused,

	"RequestTimeTooSkewed": cloud.Skewed, "RequestExpired": cloud.Skewed, "RequestInTheFuture": cloud.Skewed,
}

func why(code string, status int, err error) cloud.Why {
	if w, ok := codes[strings.TrimPrefix(code, "AWS.SimpleQueueService.")]; ok {
		if w == cloud.Denied && strings.Contains(err.Error(), "Signature expired") {
			return cloud.Skewed
		}
		return w
	}
	if w, ok := identity(status, err); ok {
		return w
	}
	switch {
	case strings.HasPrefix(code, "KMS.") || strings.HasPrefix(code, "Kms"): // of S3, of SQS
		return cloud.Locked
	case status == 0 || status == http.StatusOK || status >= http.StatusInternalServerError || status == http.StatusRequestTimeout: // 200: cut short
		return cloud.Unreachable
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return cloud.Denied
	case status == http.StatusTooManyRequests:
		return cloud.Throttled
	case status == http.StatusNotFound:
		return cloud.Missing
	}
	return cloud.Unclear
}

// oneLine is an error's text without line breaks and without the trail of its SDK.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if _, rest, ok := strings.Cut(text, "https response error"); ok {
		return strings.TrimSpace("response error" + rest)
	}
	return text
}
