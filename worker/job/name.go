package job

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// call sets the pipeline: its name in the catalogue, and behind an @ the digest that it must have.
func (j *Job) call(text string) error {
	name, version, pinned := strings.Cut(text, "@")
	if err := checkName(name); err != nil {
		return err
	}
	j.Pipeline = name
	if !pinned {
		return nil
	}
	return j.pin(version)
}

// pin sets the digest that the pipeline must have.
func (j *Job) pin(version string) error {
	const prefix = "sha256:"
	version = strings.ToLower(version)
	sum, err := hex.DecodeString(strings.TrimPrefix(version, prefix))
	if err != nil || len(sum) != 32 || !strings.HasPrefix(version, prefix) {
		return errors.New(`"version" must be a pipeline's digest: sha256: and 64 hexadecimal digits`)
	}
	if j.Version != "" && j.Version != version {
		return errors.New(`"version" and the digest behind "pipeline" say different things: keep one`)
	}
	j.Version = version
	return nil
}

// checkName says why name can't be a pipeline's in the catalogue.
func checkName(name string) error {
	const most = 128
	switch {
	case name == "":
		return errors.New(`"pipeline" is empty: give the name of one in the catalogue`)
	case len(name) > most, !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl), strings.ContainsAny(name, "/\\:;=,\"'`{}[]()<>|&$*?!# \t\r\n"), strings.ContainsAny(name[:1], ".-@%~+^"):
		return fmt.Errorf("%q is no name of a pipeline: give the name of one in the catalogue", shorten(name))
	}
	return nil
}
