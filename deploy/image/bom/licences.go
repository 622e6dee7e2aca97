package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// licences copies the licences and notices of every module that binary is linked from into one folder a module, and Go's own.
// A module without any is an error: its terms may ask that they be passed on. cache is the module cache.
func licences(binary, to, goroot, cache string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read what %s was built from: %w", binary, err)
	}
	if err := copyLicences(goroot, filepath.Join(to, "std")); err != nil {
		return err
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		from := filepath.Join(cache, escape(m.Path)+"@"+escape(m.Version))
		if err := copyLicences(from, filepath.Join(to, m.Path)); err != nil {
			return err
		}
	}
	return nil
}

// escape writes a module's path or version as the module cache does: an upper-case letter as ! and the lower-case one
// (https://go.dev/ref/mod#module-cache).
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func copyLicences(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !isLicence(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o644); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no licence", from)
	}
	return nil
}

func isLicence(name string) bool {
	name = strings.ToUpper(name)
	for _, prefix := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS", "COPYRIGHT"} {
		if strings.HasPrefix(name, prefix) {
			return filepath.Ext(name) != ".GO"
		}
	}
	return false
}
