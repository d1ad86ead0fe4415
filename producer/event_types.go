package producer

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// EventTypes is the catalogue of what merchants are told, as GET
// /v1/event-types serves it.
func EventTypes() []api.EventType {
	settle()
	var list []api.EventType
	for _, e := range merchant.Catalogue() {
		list = append(list, api.EventType{Name: e.Name, Description: e.When, Sent: e.Sent, Schema: schemaOf(e), Example: e.Example})
	}
	return list
}

// schemaOf is the JSON Schema of a type's body, made from its Go type. It stands
// by itself, and allows fields that are yet to come.
func schemaOf(e merchant.EventType) json.RawMessage {
	const defs = "#/$defs/"
	r := huma.NewMapRegistry(defs, func(t reflect.Type, hint string) string {
		return strings.TrimSuffix(huma.DefaultSchemaNamer(t, hint), "Body")
	})
	body := r.Schema(reflect.TypeOf(e.Form), true, "").Ref
	top := r.SchemaFromRef(body)
	delete(r.Map(), strings.TrimPrefix(body, defs))
	top.Properties["type"].Enum = []any{e.Name}
	top.Title, top.Description = e.Name, e.When
	top.Extensions = map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": r.Map()}
	open(top)
	for _, s := range r.Map() {
		open(s)
	}
	b, err := json.Marshal(top)
	if err != nil {
		panic(fmt.Sprintf("producer: the types of notices always have a schema: %v", err))
	}
	return b
}

// open lets an object have fields that its schema does not name.
func open(s *huma.Schema) {
	if s.AdditionalProperties == false {
		s.AdditionalProperties = nil
	}
}

type eventTypesOutput struct{ Body api.EventTypeList }

func (s *server) listEventTypes(context.Context, *struct{}) (*eventTypesOutput, error) {
	return &eventTypesOutput{api.EventTypeList{EventTypes: s.eventTypes}}, nil
}

type eventTypePath struct {
	Type string `path:"type" maxLength:"64" doc:"A type's name, such as order.paid."`
}

type eventTypeOutput struct{ Body api.EventType }

func (s *server) getEventType(_ context.Context, in *eventTypePath) (*eventTypeOutput, error) {
	i := slices.IndexFunc(s.eventTypes, func(e api.EventType) bool { return e.Name == in.Type })
	if i < 0 {
		return nil, order.ErrNotFound
	}
	return &eventTypeOutput{s.eventTypes[i]}, nil
}
