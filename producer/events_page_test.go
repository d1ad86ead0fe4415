package producer_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

var update = flag.Bool("update", false, "write the catalogue's part of docs/events.md anew")

// The page of the catalogue is made from it, below a line that says so.
func TestTheEventPageIsTheCatalogue(t *testing.T) {
	t.Parallel()
	const page, made = "../docs/events.md", "\n<!-- From here on made by: go test ./producer -run TestTheEventPage -update -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	intro, rest, found := strings.Cut(string(text), made)
	require.True(t, found)
	want := catalogueText(t)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(intro+made+want), 0o600))
		return
	}
	require.Equal(t, want, rest)
}

// schema is what the page shows of one.
type schema struct {
	Ref         string `json:"$ref"`
	Type        string
	Format      string
	Description string
	Enum        []string
	Properties  map[string]schema
	Required    []string
	Items       *schema
	Values      any               `json:"additionalProperties"`
	Defs        map[string]schema `json:"$defs"`
}

func catalogueText(t *testing.T) string {
	t.Helper()
	var b, later strings.Builder
	parts := map[string]schema{}
	for _, e := range producer.EventTypes() {
		section(t, map[bool]*strings.Builder{true: &b, false: &later}[e.Sent], e, parts)
	}
	b.WriteString("\n## Not sent yet\n\nThe form of these is settled, so that a merchant can be ready for them. Nothing sends them yet.\n")
	b.WriteString(later.String())
	b.WriteString("\n## Fields\n\nWhat is not marked *always* may be absent.\n")
	for _, name := range sorted(parts) {
		table(&b, name, parts[name])
	}
	return b.String()
}

// section tells of one type, and gathers the parts of its body.
func section(t *testing.T, b *strings.Builder, e api.EventType, parts map[string]schema) {
	t.Helper()
	var s schema
	require.NoError(t, json.Unmarshal(e.Schema, &s))
	data := s.Defs[name(s.Properties["data"].Ref)]
	for part, of := range s.Defs {
		if part != name(s.Properties["data"].Ref) {
			parts[part] = of
		}
	}
	var holds []string
	for _, field := range fields(data) {
		holds = append(holds, fmt.Sprintf("`%s` (%s)", field, typeOf(data.Properties[field])))
	}
	var example bytes.Buffer
	require.NoError(t, json.Indent(&example, e.Example, "", "  "))
	fmt.Fprintf(b, "\n### `%s`\n\n%s `data` has %s.\n\n```json\n%s\n```\n", e.Name, e.Description, strings.Join(holds, " and "), example.String())
}

func table(b *strings.Builder, part string, s schema) {
	fmt.Fprintf(b, "\n### %s\n\n| field | type | always | |\n|---|---|---|---|\n", part)
	for _, field := range fields(s) {
		always := ""
		if slices.Contains(s.Required, field) {
			always = "always"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", field, typeOf(s.Properties[field]), always, s.Properties[field].Description)
	}
}

// fields are an object's: those that are always there in their order, then the
// others.
func fields(s schema) []string {
	list := slices.Clone(s.Required)
	for _, field := range sorted(s.Properties) {
		if !slices.Contains(list, field) {
			list = append(list, field)
		}
	}
	return list
}

func typeOf(s schema) string {
	switch {
	case s.Ref != "":
		return fmt.Sprintf("[%s](#%s)", name(s.Ref), strings.ToLower(name(s.Ref)))
	case s.Items != nil:
		return "list of " + typeOf(*s.Items)
	case s.Type == "object":
		return "strings by name"
	case len(s.Enum) > 0:
		return "`" + strings.Join(s.Enum, "`, `") + "`"
	case s.Format == "date-time":
		return "time"
	case s.Format == "uuid":
		return "UUID"
	}
	return s.Type
}

func name(ref string) string { return strings.TrimPrefix(ref, "#/$defs/") }

func sorted[V any](m map[string]V) (names []string) {
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
