package main

import (
	"debug/buildinfo"
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// licences copies the licences and notices of every module that binary is linked from into one folder a module, and Go's own.
// What a module has from elsewhere lies in folders of its own, with its terms: those of linked packages, and of what they lie
// in, are copied too. A module without any licence is an error: its terms may ask that they be passed on. cache is the module
// cache.
func licences(binary, to, goroot, cache string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read what %s was built from: %w", binary, err)
	}
	sources, err := sourceFiles(binary)
	if err != nil {
		return fmt.Errorf("read what %s was compiled from: %w", binary, err)
	}
	if err := copyOwn(goroot, filepath.Join(to, "std")); err != nil {
		return err
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		from := filepath.Join(cache, escape(m.Path)+"@"+escape(m.Version))
		if err := copyOwn(from, filepath.Join(to, m.Path)); err != nil {
			return err
		}
		for _, dir := range folders(sources, m.Path+"@"+m.Version+"/") {
			if _, err := copyLicences(filepath.Join(from, dir), filepath.Join(to, m.Path, dir)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sourceFiles is what an ELF program was compiled from, as its line table has it: "MODULE@VERSION/FOLDER/FILE" where -trimpath
// was given.
func sourceFiles(binary string) ([]string, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, lines := f.Section(".text"), f.Section(".gopclntab")
	if text == nil || lines == nil {
		return nil, errors.New("it has no line table of Go")
	}
	data, err := lines.Data()
	if err != nil {
		return nil, err
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil, err
	}
	all := slices.Sorted(maps.Keys(table.Files))
	if !slices.ContainsFunc(all, func(name string) bool { return strings.Contains(name, "@v") && !filepath.IsAbs(name) }) {
		return nil, errors.New("it does not name modules: build it with -trimpath")
	}
	return all, nil
}

// folders are those below a module's own that have a file of sources, or have one that does.
func folders(sources []string, module string) []string {
	all := map[string]bool{}
	for _, name := range sources {
		if rest, ok := strings.CutPrefix(name, module); ok {
			for dir := path.Dir(rest); dir != "."; dir = path.Dir(dir) {
				all[dir] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
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

// copyOwn copies the licences of a module's own folder.
func copyOwn(from, to string) error {
	found, err := copyLicences(from, to)
	if err == nil && !found {
		err = fmt.Errorf("%s has no licence", from)
	}
	return err
}

// copyLicences copies those of a folder, if there are any.
func copyLicences(from, to string) (found bool, err error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.IsDir() || !isLicence(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return false, err
		}
		if err := os.MkdirAll(to, 0o755); err != nil {
			return false, err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o644); err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
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
