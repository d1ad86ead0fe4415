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
	"github.com/go-json-experiment/json/jsontext"
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
	return huma.Format{Marshal: marshal, Unmarshal: unmarshal}
}

// marshal writes an answer. What is bytes already goes as it is.
func marshal(w io.Writer, v any) error {
	if v, ready := v.(interface{ rendered() []byte }); ready {
		_, err := w.Write(v.rendered())
		return err
	}
	return huma.DefaultJSONFormat.Marshal(w, v)
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
	dec := jsontext.NewDecoder(bytes.NewBuffer(data)) // a *bytes.Buffer is read where it lies
	v, err := value(dec, 0)
	if err != nil {
		return nil, plain(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has something after the JSON value")
	}
	return v, nil
}

// unreadable is a fault of ours to name; what the library says would repeat
// what was sent.
type unreadable string

func (u unreadable) Error() string { return string(u) }

func plain(err error) error {
	var (
		ours   unreadable
		syntax *jsontext.SyntacticError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("ends before the JSON value does")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("has a name twice in one object")
	case errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: see byte %d", syntax.ByteOffset)
	}
	return errors.New("is not JSON")
}

func value(dec *jsontext.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, unreadable("is nested too deeply")
	}
	switch dec.PeekKind() {
	case '{':
		return object(dec, depth)
	case '[':
		return array(dec, depth)
	case '0':
		literal, err := dec.ReadValue()
		return number(string(literal)), err
	}
	t, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '"':
		s := t.String()
		return s, storable(s)
	case 't', 'f':
		return t.Bool(), nil
	}
	return nil, nil
}

func object(dec *jsontext.Decoder, depth int) (any, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	m := map[string]any{}
	for dec.PeekKind() != '}' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String()
		if err := storable(name); err != nil {
			return nil, err
		}
		if m[name], err = value(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.ReadToken()
	return m, err
}

func array(dec *jsontext.Decoder, depth int) (any, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	list := []any{}
	for dec.PeekKind() != ']' {
		v, err := value(dec, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.ReadToken()
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
