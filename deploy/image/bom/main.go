// Command bom says what an image is made of.
//
//	bom list -manifest FILE -version V -created TIME
//	                                      write the bill of materials of the root it runs in
//	bom licences -binary FILE -to FOLDER -goroot FOLDER -modules FOLDER
//	                                      collect the licences of the Go modules that a program is linked from
//
// The bill is CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json), made from what lies in the image: dpkg's records, Python's and
// npm's metadata, and the build information inside our binary; of tools, the manifest of deploy/tools names the licences. Two
// builds of the same things give the same bytes.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Where an image keeps them, from its root.
const (
	binaryPath = "usr/local/bin/millrace"
	billPath   = "usr/share/doc/millrace/sbom.cdx.json"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bom:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("usage: bom list|licences")
	}
	flags := flag.NewFlagSet("bom "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	switch args[0] {
	case "list":
		root := flags.String("root", "/", "the image's root")
		manifest := flags.String("manifest", "", "deploy/tools/manifest.tsv")
		version := flags.String("version", "dev", "the image's version")
		created := flags.String("created", "", "when the image was made (RFC 3339); empty leaves it out")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return writeBill(*root, *manifest, *version, *created)
	case "licences":
		binary := flags.String("binary", "", "a Go program")
		to := flags.String("to", "", "folder that gets them")
		goroot := flags.String("goroot", "", "what `go env GOROOT` prints")
		modules := flags.String("modules", "", "what `go env GOMODCACHE` prints")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return licences(*binary, *to, *goroot, *modules)
	}
	return fmt.Errorf("%q: write list or licences", args[0])
}

// A bill is a CycloneDX document, as far as we fill it.
type bill struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp,omitzero"`
	Component component `json:"component"`
}

type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref,omitzero"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Licences []licence `json:"licenses,omitzero"`
	PURL     string    `json:"purl,omitzero"`
}

// A licence holds an SPDX expression, or what the package itself calls its licence.
type licence struct {
	Expression string        `json:"expression,omitzero"`
	Licence    *namedLicence `json:"license,omitzero"`
}

type namedLicence struct {
	Name string `json:"name"`
}

func writeBill(root, manifest, version, created string) error {
	rows, err := os.ReadFile(manifest)
	if err != nil {
		return err
	}
	all, err := components(root, string(rows))
	if err != nil {
		return err
	}
	b := bill{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{
			Timestamp: created,
			Component: component{Type: "container", Name: "millrace", Version: version},
		},
		Components: all,
	}
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, billPath), append(text, '\n'), 0o644)
}
