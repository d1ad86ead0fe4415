package producer

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// verbatim is an answer: a T, or the bytes of one that was given before.
type verbatim[T any] struct {
	value T
	bytes []byte
}

// rendered is the kept bytes, when there are any.
func (v verbatim[T]) rendered() []byte {
	if v.bytes != nil {
		return v.bytes
	}
	return render(v.value)
}

// Schema describes it as what it is to the caller: a T.
func (verbatim[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}
