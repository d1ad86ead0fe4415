// Package producertest is for tests of what the door promises.
package producertest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer"
)

// Schemas are those of the catalogue's types, by name.
type Schemas map[string]*jsonschema.Schema

// NewSchemas makes the catalogue's schemas ready to validate bodies.
func NewSchemas(t testing.TB) Schemas {
	t.Helper()
	s := Schemas{}
	for _, e := range producer.EventTypes() {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Schema))
		require.NoError(t, err)
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		require.NoError(t, c.AddResource("urn:"+e.Name, doc))
		s[e.Name], err = c.Compile("urn:" + e.Name)
		require.NoError(t, err)
	}
	return s
}

// Validate says what is wrong with the body of a notice of a type; nil: nothing.
func (s Schemas) Validate(eventType string, body []byte) error {
	schema := s[eventType]
	if schema == nil {
		return fmt.Errorf("the catalogue has no %q", eventType)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}
