package servertest

import (
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// startGCS serves for as long as this process lives. The server has to know where it is before it starts: resumable uploads
// are sent on to there.
func startGCS() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	endpoint := "http://" + l.Addr().String()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, ExternalURL: endpoint, PublicHost: l.Addr().String()})
	if err != nil {
		return "", err
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: fake.HTTPHandler()}}
	s.Start()
	return endpoint, nil
}
