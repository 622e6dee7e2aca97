//go:build e2e && linux

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// apiServer reads from the API server, as the cluster's administrator: a look costs a millisecond, kubectl a tenth of a second.
var apiServer = sync.OnceValues(func() (*http.Client, error) {
	config, err := command(context.Background(), time.Minute, "./cluster", "kubeconfig")
	if err != nil {
		return nil, err
	}
	pki := filepath.Join(filepath.Dir(strings.TrimSpace(config)), "pki")
	pem, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return nil, err
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}, ForceAttemptHTTP2: true,
	}}, nil
})

// read gets an object or a list of them. query may be nil.
func read(ctx context.Context, path string, query url.Values, into any) error {
	client, err := apiServer()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://10.96.0.1"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, last(string(body), 500))
	}
	return json.Unmarshal(body, into)
}

// A meta is what all objects have.
type meta struct {
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Created     time.Time         `json:"creationTimestamp"`
	Deleted     *time.Time        `json:"deletionTimestamp"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// A condition is what is said of an object.
type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// A kubePod is what the stories look at of a pod.
type kubePod struct {
	Meta   meta `json:"metadata"`
	Status struct {
		Phase      string      `json:"phase"`
		IP         string      `json:"podIP"`
		Conditions []condition `json:"conditions"`
		Containers []struct {
			RestartCount int            `json:"restartCount"`
			State        map[string]any `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

// alive says that it is none that ends, or has ended.
func (p *kubePod) alive() bool {
	return p.Meta.Deleted == nil && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed"
}

func (p *kubePod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// listPods returns the pods with these labels, also those that end.
func listPods(ctx context.Context, namespace, labels string) ([]kubePod, error) {
	var list struct {
		Items []kubePod `json:"items"`
	}
	err := read(ctx, "/api/v1/namespaces/"+namespace+"/pods", url.Values{"labelSelector": {labels}}, &list)
	return list.Items, err
}

// serviceDoor leads to a Service's pods that are ready, to one after the other by chance, as kube-proxy does.
func serviceDoor(t *testing.T, namespace, service string, port int) *door {
	t.Helper()
	return newDoor(t, func(ctx context.Context) (string, error) {
		var slices struct {
			Items []struct {
				Endpoints []struct {
					Addresses  []string `json:"addresses"`
					Conditions struct {
						Ready bool `json:"ready"`
					} `json:"conditions"`
				} `json:"endpoints"`
			} `json:"items"`
		}
		path := "/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices"
		if err := read(ctx, path, url.Values{"labelSelector": {"kubernetes.io/service-name=" + service}}, &slices); err != nil {
			return "", err
		}
		var ready []string
		for _, s := range slices.Items {
			for _, e := range s.Endpoints {
				if e.Conditions.Ready {
					ready = append(ready, e.Addresses...)
				}
			}
		}
		if len(ready) == 0 {
			return "", fmt.Errorf("service %s has no pod that is ready", service)
		}
		return ready[rand.IntN(len(ready))] + ":" + strconv.Itoa(port), nil
	})
}
