package cloud

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

var codes = map[string]Why{
	"QueueDoesNotExist": Missing, "NonExistentQueue": Missing, "NoSuchBucket": Missing,

	"AccessDenied": Denied, "AccessDeniedException": Denied, "InvalidClientTokenId": Denied, "UnrecognizedClientException": Denied,
	"InvalidAccessKeyId": Denied, "SignatureDoesNotMatch": Denied, "ExpiredToken": Denied, "ExpiredTokenException": Denied,
	"InvalidToken": Denied, "InvalidSignatureException": Denied, "MissingAuthenticationToken": Denied, "AuthFailure": Denied,
	"KmsAccessDenied": Denied, "KMS.AccessDeniedException": Denied, "AllAccessDisabled": Denied,
	"TokenRefreshRequired": Denied,
	"XAdminUserNotFound":   Denied, // versitygw, of an access key that it doesn't know, with 404

	"ThrottlingException": Throttled, "Throttling": Throttled, "RequestThrottled": Throttled, "SlowDown": Throttled,
	"OverLimit": Throttled, "TooManyRequestsException": Throttled, "RequestLimitExceeded": Throttled, "BandwidthLimitExceeded": Throttled,
	"KmsThrottled": Throttled, "KMS.ThrottlingException": Throttled,

	"ConditionalRequestConflict": Throttled, "OperationAborted": Throttled, // of S3: another call is being done for the same key

	// S3 has these with 400: what we sent came too slowly, in part, or was changed on its way.
	"RequestTimeout": Unreachable, "IncompleteBody": Unreachable, "BadDigest": Unreachable, "XAmzContentSHA256Mismatch": Unreachable,

	// S3 of a bucket that lies in another region.
	"PermanentRedirect": Missing, "AuthorizationHeaderMalformed": Missing, "IllegalLocationConstraintException": Missing,

	// What a second try of the same call can't mend, and nobody but the caller. All that stands nowhere here may pass.
	"InvalidParameterValue": Refused, "InvalidParameterCombination": Refused, "MissingParameter": Refused, "ValidationException": Refused,
	"InvalidMessageContents": Refused, "InvalidAttributeName": Refused, "InvalidAttributeValue": Refused, "BatchRequestTooLong": Refused,
	"InvalidAddress": Refused, "UnsupportedOperation": Refused, "InvalidArgument": Refused, "InvalidRequest": Refused,
	"InvalidURI": Refused, "InvalidBucketName": Refused, "InvalidRange": Refused, "EntityTooLarge": Refused, "EntityTooSmall": Refused,
	"KeyTooLongError": Refused, "MetadataTooLarge": Refused, "MalformedXML": Refused, "MethodNotAllowed": Refused, "NotImplemented": Refused,
	"PreconditionFailed": Refused, "InvalidPart": Refused, "InvalidPartOrder": Refused,

	// Of Google's, which has the first three with 403 as well.
	"rateLimitExceeded": Throttled, "userRateLimitExceeded": Throttled, "dailyLimitExceeded": Throttled,
	"conditionNotMet": Refused, "invalid": Refused, "required": Refused, "invalidParameter": Refused, "invalidArgument": Refused,

	"RequestTimeTooSkewed": Skewed, "RequestExpired": Skewed, "RequestInTheFuture": Skewed,
}

func why(code string, status int, err error) Why {
	if w, ok := codes[strings.TrimPrefix(code, "AWS.SimpleQueueService.")]; ok {
		if w == Denied && strings.Contains(err.Error(), "Signature expired") {
			return Skewed
		}
		return w
	}
	if w, ok := identity(status, err); ok {
		return w
	}
	switch {
	case strings.HasPrefix(code, "KMS.") || strings.HasPrefix(code, "Kms"): // of S3, of SQS
		return Locked
	case status == 0 || status == http.StatusOK || status >= http.StatusInternalServerError || status == http.StatusRequestTimeout: // 200: cut short
		return Unreachable
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Denied
	case status == http.StatusTooManyRequests:
		return Throttled
	case status == http.StatusNotFound:
		return Missing
	}
	return Unclear
}

// oneLine is an error's text without line breaks and without the trail of its SDK.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if _, rest, ok := strings.Cut(text, "https response error"); ok {
		return strings.TrimSpace("response error" + rest)
	}
	return text
}
