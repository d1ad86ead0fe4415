package producer

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// misread is what huma says of a request that does not fit its shape, in our
// words: no value that was sent is ever repeated.
func misread(status int, _ string, errs ...error) huma.StatusError {
	var wrong, misfits []api.FieldError
	for _, err := range errs {
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			wrong = append(wrong, placed(d))
		} else if m, ok := err.(misfit); ok { //nolint:errorlint // our own, never wrapped
			misfits = append(misfits, api.FieldError(m))
		}
	}
	for _, m := range misfits { // of what could not be read, nothing more can be said
		if !slices.ContainsFunc(wrong, func(w api.FieldError) bool { return within(w.Location, m.Location) || within(m.Location, w.Location) }) {
			wrong = append(wrong, m)
		}
	}
	switch status {
	case http.StatusUnprocessableEntity:
		return fault(api.Invalid, "").wrong(wrong)
	case http.StatusBadRequest:
		if len(wrong) == 0 {
			return fault(api.Malformed, "The body is empty. Send one JSON value.")
		}
		return fault(api.Malformed, "").wrong(wrong)
	}
	return fault(api.Internal, "")
}

// within says whether one place is another, or a part of it.
func within(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// misfit is something wrong with a request that no schema can say.
type misfit api.FieldError

func (m misfit) Error() string { return m.Location + ": " + m.Message }

// placed puts a missing or unreadable field where it belongs.
func placed(d *huma.ErrorDetail) api.FieldError {
	if rest, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return api.FieldError{Location: d.Location + "." + name, Message: "is required"}
	}
	return api.FieldError{Location: d.Location, Message: d.Message}
}

// inBody are the faults of a draft, where its reader finds them.
func inBody(faults order.Invalid) []api.FieldError {
	list := make([]api.FieldError, len(faults))
	for i, f := range faults {
		list[i] = api.FieldError{Location: "body." + f.Field, Message: f.Message}
	}
	return list
}

// tidied lists each place once, in one order, and not without end: the names
// in it can be a stranger's.
func tidied(list []api.FieldError) []api.FieldError {
	const most, longest = 100, 160
	slices.SortStableFunc(list, func(a, b api.FieldError) int { return cmp.Compare(a.Location, b.Location) })
	list = slices.CompactFunc(list, func(a, b api.FieldError) bool { return a.Location == b.Location })
	list = list[:min(len(list), most)]
	for i, e := range list {
		if len(e.Location) > longest {
			list[i].Location = strings.ToValidUTF8(e.Location[:longest], "") + "…"
		}
	}
	return list
}
