package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is far above any settings file: what is larger is something else.
const maxFile = 1 << 20

// yamlFile is koanf's parser for the settings file. It keeps each value as the
// text that was written, so that 0123 stays a secret of four digits, remembers
// the lines, and collects every fault instead of stopping at the first.
type yamlFile struct {
	path   string
	names  []string
	lines  map[string]int
	faults Faults
}

func newYAMLFile(path string) *yamlFile {
	f := &yamlFile{path: path, lines: map[string]int{}}
	for _, s := range settings() {
		f.names = append(f.names, s.name)
	}
	return f
}

// Unmarshal reads the file's bytes into nested maps of strings. Its error means
// that they are not YAML at all.
func (f *yamlFile) Unmarshal(b []byte) (map[string]any, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes: that is no settings file", maxFile)
	}
	var doc yaml.Node
	decoder, out := yaml.NewDecoder(bytes.NewReader(b)), map[string]any{}
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return out, nil
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	f.section("", doc.Content[0], out)
	return out, nil
}

// Marshal makes yamlFile a koanf.Parser; settings are never written.
func (f *yamlFile) Marshal(map[string]any) ([]byte, error) {
	return nil, errors.New("settings are not written")
}

// section reads the mapping n, whose settings' names begin with prefix. It goes
// no deeper than the names do.
func (f *yamlFile) section(prefix string, n *yaml.Node, out map[string]any) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // everything in it is commented out
	}
	if n.Kind != yaml.MappingNode {
		f.fault(strings.TrimSuffix(prefix, "."), n, "want lines of the form name: value")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		f.entry(prefix+n.Content[i].Value, n.Content[i], n.Content[i+1], out)
	}
}

func (f *yamlFile) entry(name string, key, value *yaml.Node, out map[string]any) {
	switch {
	case strings.Contains(key.Value, "."):
		f.fault(name, key, "write the parts of a name below each other, not with a dot")
	case f.lines[name] != 0:
		f.fault(name, key, fmt.Sprintf("is there twice; the first is in line %d", f.lines[name]))
	case slices.Contains(f.names, name):
		f.lines[name] = key.Line
		if s, ok := f.text(name, value); ok {
			out[key.Value] = s
		}
	case f.isSection(name):
		f.lines[name] = key.Line
		inner := map[string]any{}
		f.section(name+".", value, inner)
		out[key.Value] = inner
	default:
		f.faults = append(f.faults, unknown(name, f.at(key), f.names))
	}
}

// text is a value as it was written; a list's parts come with commas between.
// An absent value counts as an absent setting.
func (f *yamlFile) text(name string, n *yaml.Node) (s string, ok bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "", false
	case n.Kind == yaml.ScalarNode:
		return n.Value, true
	case n.Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Kind != yaml.ScalarNode }):
		var parts []string
		for _, c := range n.Content {
			parts = append(parts, c.Value)
		}
		return strings.Join(parts, ","), true
	}
	f.fault(name, n, "want one value, or a list of values; anchors are not read")
	return "", false
}

func (f *yamlFile) isSection(name string) bool {
	return slices.ContainsFunc(f.names, func(n string) bool { return strings.HasPrefix(n, name+".") })
}

func (f *yamlFile) fault(name string, n *yaml.Node, problem string) {
	if name == "" {
		name = configFile
	}
	f.faults = append(f.faults, Fault{clip(name), f.at(n), problem})
}

func (f *yamlFile) at(n *yaml.Node) string { return fmt.Sprintf("file %s:%d", f.path, n.Line) }
