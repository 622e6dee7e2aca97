package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines"
)

// A kubeconfig is what counts of one. https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
type kubeconfig struct {
	Current  string        `json:"current-context"`
	Contexts []kubeContext `json:"contexts"`
	Clusters []kubeCluster `json:"clusters"`
	Users    []kubeUser    `json:"users"`
}

type kubeContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster   string `json:"cluster"`
		User      string `json:"user"`
		Namespace string `json:"namespace"`
	} `json:"context"`
}

type kubeCluster struct {
	Name    string `json:"name"`
	Cluster struct {
		Server     string `json:"server"`
		CAFile     string `json:"certificate-authority"`
		CA         string `json:"certificate-authority-data"`
		ServerName string `json:"tls-server-name"`
		Insecure   bool   `json:"insecure-skip-tls-verify"`
		Proxy      string `json:"proxy-url"`
	} `json:"cluster"`
	folder string // of its file
}

type kubeUser struct {
	Name string `json:"name"`
	User struct {
		CertificateFile string    `json:"client-certificate"`
		Certificate     string    `json:"client-certificate-data"`
		KeyFile         string    `json:"client-key"`
		Key             string    `json:"client-key-data"`
		Token           string    `json:"token"`
		TokenFile       string    `json:"tokenFile"`
		Exec            *kubeExec `json:"exec"`
		As              string    `json:"as"`
		Provider        any       `json:"auth-provider"`
		Password        string    `json:"password"`
	} `json:"user"`
	folder string
}

// A kubeExec is a program that is asked for a token, as those of EKS, GKE and AKS are.
type kubeExec struct {
	Version string   `json:"apiVersion"`
	Command string   `json:"command"`
	Args    []string `json:"args"`
	Env     []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"env"`
}

// readKubeconfig reads the files that kubectl would: those of KUBECONFIG, else ~/.kube/config. What comes first counts.
func readKubeconfig() (*kubeconfig, error) {
	files := filepath.SplitList(os.Getenv("KUBECONFIG"))
	if len(files) == 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		files = []string{filepath.Join(home, ".kube", "config")}
	}
	whole, found := &kubeconfig{}, false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the kubeconfig %s can't be read: %w", file, plainPath(err))
		}
		one, err := parseKubeconfig(file, text)
		if err != nil {
			return nil, err
		}
		found = true
		whole.Current = cmp.Or(whole.Current, one.Current)
		whole.Contexts, whole.Clusters, whole.Users = append(whole.Contexts, one.Contexts...), append(whole.Clusters, one.Clusters...), append(whole.Users, one.Users...)
	}
	if !found {
		return nil, fmt.Errorf("there is no kubeconfig %s; name one by KUBECONFIG, or log in to the cluster", strings.Join(files, ", "))
	}
	return whole, nil
}

func parseKubeconfig(file string, text []byte) (*kubeconfig, error) {
	v, err := pipelines.Decode(file, text)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", file, err)
	}
	var c kubeconfig
	if err := json.Unmarshal(plain, &c); err != nil {
		return nil, fmt.Errorf("%s is no kubeconfig: %w", file, err)
	}
	for i := range c.Clusters {
		c.Clusters[i].folder = filepath.Dir(file)
	}
	for i := range c.Users {
		c.Users[i].folder = filepath.Dir(file)
	}
	return &c, nil
}

// api is the API server of a context, and its namespace; an empty name is the current context.
func (k *kubeconfig) api(name string) (api kubernetes.API, namespace string, err error) {
	name = cmp.Or(name, k.Current)
	at := slices.IndexFunc(k.Contexts, func(c kubeContext) bool { return c.Name == name })
	if at < 0 {
		var names []string
		for _, c := range k.Contexts {
			names = append(names, c.Name)
		}
		return api, "", fmt.Errorf("the kubeconfig has no context %q; it has %s", name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	c := k.Contexts[at].Context
	cluster := slices.IndexFunc(k.Clusters, func(o kubeCluster) bool { return o.Name == c.Cluster })
	user := slices.IndexFunc(k.Users, func(o kubeUser) bool { return o.Name == c.User })
	if cluster < 0 || user < 0 {
		return api, "", fmt.Errorf("context %s of the kubeconfig names the cluster %q and the user %q, and one of them is not there", name, c.Cluster, c.User)
	}
	if err = k.Clusters[cluster].into(&api); err == nil {
		err = k.Users[user].into(&api)
	}
	return api, c.Namespace, err
}

func (k *kubeCluster) into(api *kubernetes.API) (err error) {
	if k.Cluster.Proxy != "" {
		return fmt.Errorf("the kubeconfig has proxy-url for the cluster %q, which is not supported: set HTTPS_PROXY", k.Name)
	}
	api.URL, api.ServerName, api.Insecure = k.Cluster.Server, k.Cluster.ServerName, k.Cluster.Insecure
	api.CA, err = kubeBytes(k.folder, k.Cluster.CA, k.Cluster.CAFile)
	return err
}

func (k *kubeUser) into(api *kubernetes.API) (err error) {
	u := &k.User
	for name, given := range map[string]bool{"as": u.As != "", "auth-provider": u.Provider != nil, "password": u.Password != ""} {
		if given { // without it we would look as somebody else
			return fmt.Errorf("the kubeconfig has %s for the user %q, which is not supported: use a token, a certificate or exec", name, k.Name)
		}
	}
	if api.Certificate, err = kubeBytes(k.folder, u.Certificate, u.CertificateFile); err != nil {
		return err
	}
	if api.Key, err = kubeBytes(k.folder, u.Key, u.KeyFile); err != nil {
		return err
	}
	switch {
	case u.Token != "":
		api.Token = func(context.Context) (string, error) { return u.Token, nil }
	case u.TokenFile != "":
		api.TokenFile = beside(k.folder, u.TokenFile)
	case u.Exec != nil:
		api.Token = (&execToken{exec: u.Exec, folder: k.folder}).get
	}
	return nil
}

// kubeBytes is what a kubeconfig holds, in base64, or names a file for.
func kubeBytes(folder, text, file string) ([]byte, error) {
	switch {
	case text != "":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("a certificate or key in the kubeconfig is no base64")
		}
		return b, nil
	case file != "":
		return os.ReadFile(beside(folder, file))
	}
	return nil, nil
}

// beside is a path that may be relative to the kubeconfig's folder.
func beside(folder, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(folder, file)
}

// An execToken keeps what a program said until that ends.
type execToken struct {
	exec   *kubeExec
	folder string

	mu    sync.Mutex
	token string    // guarded by mu
	ends  time.Time // guarded by mu; zero: it does not
}

// maxCredential is how many bytes such a program may say.
const maxCredential = 1 << 20

func (e *execToken) get(ctx context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token != "" && (e.ends.IsZero() || time.Until(e.ends) > time.Minute) {
		return e.token, nil
	}
	said, err := e.run(ctx)
	if err != nil {
		return "", err
	}
	var credential struct {
		Status struct {
			Token string    `json:"token"`
			Ends  time.Time `json:"expirationTimestamp"`
		} `json:"status"`
	}
	if err := json.Unmarshal(said, &credential); err != nil {
		return "", fmt.Errorf("%s, which the kubeconfig names, says no credential: %w", e.exec.Command, err)
	}
	if credential.Status.Token == "" {
		return "", fmt.Errorf("%s, which the kubeconfig names, gives no token; certificates of such programs are not supported", e.exec.Command)
	}
	e.token, e.ends = credential.Status.Token, credential.Status.Ends
	return e.token, nil
}

func (e *execToken) run(ctx context.Context) ([]byte, error) {
	env := os.Environ()
	for _, v := range e.exec.Env {
		env = append(env, v.Name+"="+v.Value)
	}
	version := cmp.Or(e.exec.Version, "client.authentication.k8s.io/v1")
	env = append(env, fmt.Sprintf(`KUBERNETES_EXEC_INFO={"apiVersion":%q,"kind":"ExecCredential","spec":{"interactive":false}}`, version))
	path := e.exec.Command
	if strings.ContainsRune(path, filepath.Separator) {
		path = beside(e.folder, path)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var out, complaint bytes.Buffer
	exit, err := new(proc.Local).Run(ctx, proc.Cmd{
		Path: path, Args: e.exec.Args, Env: env, Stdout: &capped{to: &out, left: maxCredential}, Stderr: &capped{to: &complaint, left: 4 << 10},
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s, which the kubeconfig names, for a token: %w", e.exec.Command, err)
	}
	if exit.Code != 0 {
		return nil, fmt.Errorf("ask %s, which the kubeconfig names, for a token: exit code %d: %s", e.exec.Command, exit.Code, strings.TrimSpace(complaint.String()))
	}
	return out.Bytes(), nil
}

// A capped writer keeps the first bytes, and drops what follows.
type capped struct {
	to   io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	kept := p[:min(len(p), c.left)]
	c.left -= len(kept)
	if _, err := c.to.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}
