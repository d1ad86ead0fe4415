package producer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// maxDepth is deeper than any shape of the API.
const maxDepth = 16

// unmarshal reads a body. huma reads each twice: into an any, which it checks
// against the schema, and then into the shape; the first reading is the
// strict one.
func unmarshal(data []byte, v any) error {
	if into, ok := v.(*any); ok {
		var err error
		*into, err = parse(data)
		return err
	}
	return json.Unmarshal(data, v)
}

func format() huma.Format {
	return huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
}

// render is v's JSON as answers carry it: one line, no HTML escapes.
func render(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("producer: the shapes of the API always have a JSON form: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// parse reads one JSON value and nothing after it. It refuses what readers of
// JSON disagree about: duplicate names, and bytes that are not UTF-8. It also
// refuses NUL, which PostgreSQL cannot keep, and nesting without end.
func parse(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := (*reader)(dec).value(0)
	if err != nil {
		return nil, plain(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has something after the JSON value")
	}
	return v, nil
}

// unreadable is a fault of ours to name; what encoding/json says would repeat
// what was sent.
type unreadable string

func (u unreadable) Error() string { return string(u) }

func plain(err error) error {
	var (
		ours   unreadable
		syntax *json.SyntaxError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: see byte %d", syntax.Offset)
	}
	return errors.New("ends before the JSON value does")
}

type reader json.Decoder

func (r *reader) token() (json.Token, error) { return (*json.Decoder)(r).Token() }
func (r *reader) more() bool                 { return (*json.Decoder)(r).More() }

func (r *reader) value(depth int) (any, error) {
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, unreadable("is nested too deeply")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		return r.array(depth)
	case json.Number:
		return number(t.String()), nil
	case string:
		return t, storable(t)
	default:
		return t, nil
	}
}

func (r *reader) object(depth int) (any, error) {
	m := map[string]any{}
	for r.more() {
		t, err := r.token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if err := storable(name); err != nil {
			return nil, err
		}
		if _, twice := m[name]; twice {
			return nil, unreadable("has a name twice in one object")
		}
		if m[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := r.token()
	return m, err
}

func (r *reader) array(depth int) (any, error) {
	list := []any{}
	for r.more() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.token()
	return list, err
}

func storable(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return unreadable(`has a NUL character (\u0000) in a string`)
	}
	return nil
}

// number is an int64. A whole number beyond it becomes a float64, so that it
// exceeds the field's maximum; anything with a point or an exponent is no
// integer to the schema, not even 1e3: money is never written like that.
func number(literal string) any {
	if strings.ContainsAny(literal, ".eE") {
		return noInteger{}
	}
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return noInteger{}
	}
	return f
}

type noInteger struct{}
