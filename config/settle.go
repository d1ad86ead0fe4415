package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// defaultFile is read when it is there and nothing names another.
const defaultFile = "orderflow.yaml"

// layer is one place where settings were found, as text.
type layer struct {
	values *koanf.Koanf
	source func(name string) string // says where the value of a setting stands
}

// settled is a setting's text and where it came from.
type settled struct {
	text, source string
}

// settle reads all places, lets the strongest win, and checks what won.
func settle(s Sources) (Config, map[string]settled, Faults) {
	var faults Faults
	environ, wrong := readEnv(s.Env)
	faults = append(faults, wrong...)
	flags, wrong := readFlags(s.Flags)
	faults = append(faults, wrong...)
	path, source := settingsFile(s, environ)
	written, wrong := readFile(path, source)
	faults = append(faults, wrong...)

	var c Config
	won := map[string]settled{}
	for _, row := range settings() {
		w := strongest(row, s.Defaults, flags, environ, written)
		won[row.name] = w
		if err := row.check(&c, w.text, s.Required); err != nil {
			faults = append(faults, Fault{row.name, w.source, row.describe(w.text, err)})
		}
	}
	if w := won["sandbox.secret"]; c.Sandbox.Enabled && w.text == "" {
		faults = append(faults, Fault{"sandbox.secret", w.source, "must be given when sandbox.enabled is true; set " + envOf("sandbox.secret")})
	}
	return c, won, faults
}

// strongest is the text of a setting from the first layer that has it.
func strongest(row setting, defaults map[string]string, layers ...layer) settled {
	for _, l := range layers {
		if l.values.Exists(row.name) {
			return settled{l.values.String(row.name), l.source(row.name)}
		}
	}
	if text, ok := defaults[row.name]; ok {
		return settled{text, "default"}
	}
	return settled{row.def, "default"}
}

func (row setting) check(c *Config, text string, required []string) error {
	if text == "" && slices.Contains(required, row.name) {
		return fmt.Errorf("must be given: %s; set %s", row.doc, envOf(row.name))
	}
	return row.read(c, text)
}

// describe puts a bad value before what is wrong with it, where it may be seen.
func (row setting) describe(text string, err error) string {
	shown := row.conceals.show(text)
	if shown == "" || shown == hidden {
		return err.Error()
	}
	return fmt.Sprintf("%q: %v", clip(shown), err)
}

func readEnv(environ func() []string) (layer, Faults) {
	if environ == nil {
		environ = os.Environ
	}
	names := map[string]string{prefix + "CONFIG": configFile}
	known := []string{prefix + "CONFIG"}
	for _, row := range settings() {
		names[envOf(row.name)] = row.name
		known = append(known, envOf(row.name))
	}
	var faults Faults
	k := koanf.New(".")
	err := k.Load(env.Provider(".", env.Opt{EnvironFunc: environ, TransformFunc: func(key, value string) (string, any) {
		name, ok := names[key]
		switch {
		case !ok && strings.HasPrefix(key, prefix):
			faults = append(faults, unknown(key, "env", known))
			return "", nil
		case value == "":
			return "", nil
		}
		return name, value
	}}), nil)
	if err != nil {
		faults = append(faults, Fault{"environment", "env", err.Error()})
	}
	return layer{k, func(name string) string { return "env " + envOf(name) }}, faults
}

func readFlags(fs *pflag.FlagSet) (layer, Faults) {
	k := koanf.New(".")
	l := layer{k, func(name string) string { return "flag --" + flagOf(name) }}
	if fs == nil {
		return l, nil
	}
	names := map[string]string{}
	for _, row := range settings() {
		if row.flag {
			names[flagOf(row.name)] = row.name
		}
	}
	err := k.Load(posflag.ProviderWithFlag(fs, ".", nil, func(f *pflag.Flag) (string, any) {
		if f.Annotations[ofSetting] == nil {
			return "", nil // a command's own flag, whatever its name
		}
		return names[f.Name], f.Value.String()
	}), nil)
	if err != nil {
		return l, Faults{{"flags", "flags", err.Error()}}
	}
	return l, nil
}

// settingsFile says which file to read, "" for none, and who named it.
func settingsFile(s Sources, environ layer) (path, source string) {
	if s.File != "" {
		return s.File, "file"
	}
	if s.Flags != nil && s.Flags.Changed(configFile) {
		return s.Flags.Lookup(configFile).Value.String(), "flag --" + configFile
	}
	if path = environ.values.String(configFile); path != "" {
		return path, "env " + envOf(configFile)
	}
	if _, err := os.Stat(defaultFile); err == nil {
		return defaultFile, "file"
	}
	return "", ""
}

func readFile(path, source string) (layer, Faults) {
	k, parser := koanf.New("."), newYAMLFile(path)
	l := layer{k, func(name string) string { return fmt.Sprintf("file %s:%d", path, parser.lines[name]) }}
	if path == "" {
		return l, nil
	}
	if err := k.Load(file.Provider(path), parser); err != nil {
		return l, Faults{{configFile, source, fmt.Sprintf("%s cannot be used: %v", path, err)}}
	}
	return l, parser.faults
}

// ofSetting marks the flags that are settings'.
const ofSetting = "setting"

// Flags adds a flag for each setting that people type, and --config.
func Flags(fs *pflag.FlagSet) {
	fs.String(configFile, "", "settings file (default ./"+defaultFile+" if it is there)")
	for _, row := range settings() {
		if row.flag {
			fs.String(flagOf(row.name), row.def, row.doc)
			_ = fs.SetAnnotation(flagOf(row.name), ofSetting, []string{row.name}) // the flag is there
		}
	}
}
