package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A setting's value is, in this order: the flag's, the environment variable's, the default. A config is a struct whose
// fields have the tags
//
//	flag     the flag's name; the environment variable is MILLRACE_ and the same in capitals, - as _
//	default  as it would be written
//	doc      one phrase, with the unit
//	secret   "true": never shown, not even as a default
//
// From them come the flags, `--help`, the README's table and the checks.
type setting struct {
	Flag, Env, Default, Doc string
	Secret                  bool
	from                    string // what it was set by: "--slots", or the variable; the variable too for a default
	value                   reflect.Value
}

// A checked config refuses what can't work, and fills in what depends on the machine. from is what a setting was set
// by, for sentences; asked by the flag's name.
type checked interface {
	complete(from func(flag string) string) []error
}

// settings lists what a pointer to a config struct can be told, embedded structs included.
func settings(cfg any) []setting { return settingsOf(reflect.ValueOf(cfg).Elem()) }

func settingsOf(v reflect.Value) []setting {
	var all []setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			all = append(all, settingsOf(v.Field(i))...)
			continue
		}
		name := f.Tag.Get("flag")
		if name == "" {
			continue // not the operator's
		}
		env := "MILLRACE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		all = append(all, setting{
			Flag: name, Env: env, Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc"), Secret: f.Tag.Get("secret") == "true",
			from: env, value: v.Field(i),
		})
	}
	return all
}

// bind gives cmd the flags of cfg, a pointer to a config struct, and returns what fills cfg in: it reports everything
// that is wrong, each by the name of its flag or variable.
func bind(cmd *cobra.Command, cfg any) (load func() error) {
	all := settings(cfg)
	for _, s := range all {
		doc := fmt.Sprintf("%s (%s)", s.Doc, s.Env)
		if s.Secret {
			continue // a command line is visible to every user of the machine: secrets come by the environment
		}
		v := &flagValue{text: s.Default}
		f := cmd.Flags().VarPF(v, s.Flag, "", doc)
		if s.value.Kind() == reflect.Bool {
			v.isBool, f.NoOptDefVal = true, "true"
		}
	}
	return func() error {
		var errs []error
		for i := range all {
			if err := all[i].load(cmd); err != nil {
				errs = append(errs, err)
			}
		}
		errs = append(errs, check(cfg, all)...)
		if err := errors.Join(errs...); err != nil {
			return &codeError{exitUsage, err}
		}
		return nil
	}
}

// A flagValue is a flag's text. What is wrong with it is said with all that is wrong elsewhere, in our words.
type flagValue struct {
	text   string
	isBool bool
}

func (v *flagValue) String() string { return v.text }

func (v *flagValue) Set(text string) error {
	v.text = text
	return nil
}

func (v *flagValue) Type() string {
	if v.isBool {
		return "bool"
	}
	return "string"
}

// load sets a setting. One that can't be read is left at its default.
func (s *setting) load(cmd *cobra.Command) error {
	text := s.Default
	if v, ok := os.LookupEnv(s.Env); ok && v != "" {
		text = v
	}
	if f := cmd.Flags().Lookup(s.Flag); f != nil && f.Changed {
		s.from, text = "--"+s.Flag, f.Value.String()
	}
	err := set(s.value, text)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("%s: %w", s.from, err), set(s.value, s.Default))
}

// check completes a config whose settings are loaded.
func check(cfg any, all []setting) []error {
	c, ok := cfg.(checked)
	if !ok {
		return nil
	}
	return c.complete(func(flag string) string {
		for _, s := range all {
			if s.Flag == flag {
				return s.from
			}
		}
		panic("config: there is no flag " + flag)
	})
}

// size is a number of bytes, written "512Mi", "2Gi", "1000000".
type size int64

// String, Set and Type are those of a pflag.Value.
func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

func (s *size) Type() string { return "size" }

func (s *size) Set(text string) error {
	if text == "" {
		return errors.New("it is empty; leave it out where there is no limit")
	}
	n, err := parseSize(text)
	*s = size(n)
	return err
}

func set(v reflect.Value, text string) error {
	switch v.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if text != "" && (err != nil || d < 0) {
			return fmt.Errorf("%q is no duration; write it like 30s, 5m or 2h", text)
		}
		v.SetInt(int64(d))
		return nil
	case size:
		n, err := parseSize(text)
		v.SetInt(n)
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no whole number from 0 up", text)
		}
		v.SetInt(int64(n))
	case reflect.Slice:
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				v.Set(reflect.Append(v, reflect.ValueOf(part)))
			}
		}
	}
	return nil
}

func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "KMGTib")
	shift, ok := map[string]int{"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || n < 0 || n > 1<<62>>shift {
		return 0, fmt.Errorf("%q is no size; write it like 512Mi or 2Gi", text)
	}
	return n << shift, nil
}
