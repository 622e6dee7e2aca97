package main

import (
	"bufio"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// components lists everything under root that came from somewhere else, in order; manifest is the text of
// deploy/tools/manifest.tsv. A root without our binary is an error, and so is one without dpkg's records: such a bill would
// leave out what matters.
func components(root, manifest string) ([]component, error) {
	image := os.DirFS(root)
	all, err := goModules(filepath.Join(root, binaryPath))
	if err != nil {
		return nil, err
	}
	known := terms(manifest)
	debian, err := packages(image, "var/lib/dpkg/status", "debian", known)
	if err != nil {
		return nil, err
	}
	nvidia, err := packages(image, "usr/share/doc/nvidia/packages", "nvidia", nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	tools, err := toolPackages(image, toolsFolder, known)
	if err != nil {
		return nil, err
	}
	all = slices.Concat(all, embedded(), debian, nvidia, tools)
	slices.SortFunc(all, func(a, b component) int { return cmp.Compare(a.PURL, b.PURL) })
	all = slices.CompactFunc(all, func(a, b component) bool { return a.PURL == b.PURL })
	return all, nil
}

// embedded are the packages of others whose files lie in our binary, beside their licences in the folders of modules named here:
// gltfpack, gltfcheck, threejs.
func embedded() []component {
	return []component{
		library("gltfpack", "1.3.0", "npm", "MIT"),
		library("gltf-validator", "2.0.0-dev.3.10", "npm", "Apache-2.0"),
		library("three", "0.187.0", "npm", "MIT"),
	}
}

func goModules(binary string) ([]component, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read what %s was built from: %w", binary, err)
	}
	all := []component{library("std", strings.TrimPrefix(info.GoVersion, "go"), "golang", "BSD-3-Clause")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, library(m.Path, m.Version, "golang", ""))
	}
	return all, nil
}

// packages reads dpkg's status file: paragraphs of fields, as in a mail's header. Licences that terms does not know stand
// beside each package, in /usr/share/doc/NAME/copyright.
func packages(image fs.FS, name, vendor string, terms map[origin]string) ([]component, error) {
	f, err := image.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := textproto.NewReader(bufio.NewReader(f))
	var all []component
	for {
		fields, err := r.ReadMIMEHeader()
		if fields.Get("Package") != "" && strings.HasSuffix(fields.Get("Status"), " installed") {
			c := library(fields.Get("Package"), fields.Get("Version"), "deb/"+vendor, terms[origin{name: fields.Get("Package")}])
			c.PURL += "?arch=" + url.QueryEscape(fields.Get("Architecture"))
			if vendor == "debian" {
				c.PURL += "&distro=debian-12" // scanners look up its advisories by it
			}
			c.Ref = c.PURL
			all = append(all, c)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s names no package", name)
	}
	return all, nil
}

const toolsFolder = "opt/millrace/tools"

// An origin is what the manifest and a package have in common: the package of npm, or the folder that the row's wheels lie in,
// and the version; or Debian's package, in any.
type origin struct{ name, version string }

// terms reads the licences of the manifest's rows. What packages say of themselves is often less, and sometimes nothing.
func terms(manifest string) map[origin]string {
	all := map[origin]string{}
	for row := range strings.Lines(manifest) {
		columns := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		if strings.HasPrefix(row, "#") || len(columns) < 8 {
			continue
		}
		switch name, version, how, source, licence := columns[0], columns[1], columns[3], columns[4], columns[6]; how {
		case "npm":
			all[origin{source, version}] = licence
		case "apt": // the tool first, then what it needs
			tool, _, _ := strings.Cut(source, " ")
			all[origin{name: tool}] = licence
		case "pip":
			all[origin{name, version}] = licence
		}
	}
	return all
}

// toolPackages finds Python's and npm's packages wherever they lie below folder. An image without tools has none.
func toolPackages(image fs.FS, folder string, terms map[origin]string) ([]component, error) {
	var all []component
	err := fs.WalkDir(image, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var c component
		switch dir := path.Dir(name); {
		case d.IsDir():
			return nil
		case path.Base(name) == "METADATA" && strings.HasSuffix(dir, ".dist-info"):
			venv, _, _ := strings.Cut(strings.TrimPrefix(name, folder+"/"), "/")
			c, err = pythonPackage(image, name, venv, terms)
		case path.Base(name) == "package.json" && isPackage(dir):
			c, err = npmPackage(image, name, terms)
		default:
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, c)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// isPackage says whether dir is a package that npm installed: node_modules/NAME or node_modules/@SCOPE/NAME.
func isPackage(dir string) bool {
	parent := path.Dir(dir)
	if strings.HasPrefix(path.Base(parent), "@") {
		parent = path.Dir(parent)
	}
	return path.Base(parent) == "node_modules"
}

func pythonPackage(image fs.FS, name, venv string, terms map[origin]string) (component, error) {
	f, err := image.Open(name)
	if err != nil {
		return component{}, err
	}
	defer f.Close()
	fields, err := textproto.NewReader(bufio.NewReader(f)).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return component{}, err
	}
	own, _, _ := strings.Cut(fields.Get("License"), "\n")
	version := fields.Get("Version")
	return library(fields.Get("Name"), version, "pypi", cmp.Or(terms[origin{venv, version}], fields.Get("License-Expression"), own)), nil
}

func npmPackage(image fs.FS, name string, terms map[origin]string) (component, error) {
	text, err := fs.ReadFile(image, name)
	if err != nil {
		return component{}, err
	}
	var p struct{ Name, Version, License string }
	if err := json.Unmarshal(text, &p); err != nil {
		return component{}, err
	}
	return library(p.Name, p.Version, "npm", cmp.Or(terms[origin{p.Name, p.Version}], p.License)), nil
}

// maxLicence is the longest text that names a licence; some packages put the whole licence there.
const maxLicence = 100

// library is a component of one ecosystem, named by a package URL (https://github.com/package-url/purl-spec).
func library(name, version, ecosystem, terms string) component {
	purl := "pkg:" + ecosystem + "/" + strings.ReplaceAll(name, "@", "%40") + "@" + url.QueryEscape(version)
	c := component{Type: "library", Ref: purl, Name: name, Version: version, PURL: purl}
	switch {
	case terms == "" || len(terms) > maxLicence:
	case isExpression(terms):
		c.Licences = []licence{{Expression: terms}}
	default:
		c.Licences = []licence{{Licence: &namedLicence{terms}}}
	}
	return c
}

// isExpression says whether text is surely an SPDX expression: a wrong one makes the whole bill invalid. What isn't sure stands
// as a name.
func isExpression(text string) bool {
	for word := range strings.FieldsSeq(strings.NewReplacer("(", " ", ")", " ").Replace(text)) {
		switch {
		case word == "AND" || word == "OR" || word == "MIT" || word == "ISC" || word == "Zlib" || strings.HasPrefix(word, "LicenseRef-"):
		case strings.ContainsAny(word, "0123456789") && strings.Contains(word, "-"):
		default:
			return false
		}
	}
	return true
}
