package sdk

import (
	"fmt"
	"io"
	"net/http"

	"github.com/IBM/ibm-cos-sdk-go/aws/request"

	"github.com/millrace/millrace/modules/fault"
)

// maxAnswer is the longest answer of a server of S3's kind that is no object, in bytes: a list of 1,000 keys of 1 KiB, each
// byte of which may be written as three, and what is said of them.
const maxAnswer = 8 << 20

// bound has no more than maxAnswer read of what is not an object, for SDKs hold that in memory.
func bound(req *http.Request, res *http.Response) {
	isObject := req.Method == http.MethodGet && res.StatusCode < http.StatusMultipleChoices && !req.URL.Query().Has("list-type")
	if !isObject {
		res.Body = &boundBody{ReadCloser: res.Body, left: maxAnswer}
	}
}

type boundBody struct {
	io.ReadCloser
	left int64 // bytes
}

func (b *boundBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fault.As(fault.Permanent, fmt.Errorf("the server answers with more than %d MiB that are no object; check the endpoint", maxAnswer>>20))
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// A boundClient is an aws.HTTPClient.
type boundClient struct{ *http.Client }

func (c boundClient) Do(req *http.Request) (*http.Response, error) {
	res, err := c.Client.Do(req)
	if err == nil {
		bound(req, res)
	}
	return res, err
}

// boundRequest is a handler of IBM's SDK, to follow the one that sends.
func boundRequest(r *request.Request) {
	if r.HTTPResponse != nil && r.HTTPResponse.Body != nil {
		bound(r.HTTPRequest, r.HTTPResponse)
	}
}
