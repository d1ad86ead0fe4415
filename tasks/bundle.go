package tasks

import (
	"encoding/json"
	"fmt"
)

// Bundle is what travels through Redis: the names of rows of one kind that are
// due together. Whoever takes it reads the rows themselves.
type Bundle struct {
	Version int   `json:"v"`
	Rows    []Ref `json:"rows"`
}

// Ref names a row at one generation.
type Ref struct {
	Subject    Subject `json:"id"`
	Generation int     `json:"g,omitempty"`
}

// bundleVersion is of the payload's form. A worker refuses what it does not
// know, and the relay puts the rows back for one that does.
const bundleVersion = 1

// Encode is the payload of an asynq task that carries refs.
func Encode(refs []Ref) []byte {
	b, err := json.Marshal(Bundle{Version: bundleVersion, Rows: refs})
	if err != nil {
		panic("tasks: a bundle always has a JSON form: " + err.Error())
	}
	return b
}

// Decode reads a payload. An error means that it is not ours or from another
// release.
func Decode(payload []byte) ([]Ref, error) {
	var b Bundle
	if err := json.Unmarshal(payload, &b); err != nil {
		return nil, fmt.Errorf("payload is not a bundle: %w", err)
	}
	if b.Version != bundleVersion {
		return nil, fmt.Errorf("bundle version %d: this release reads %d", b.Version, bundleVersion)
	}
	if len(b.Rows) == 0 || len(b.Rows) > Bundled {
		return nil, fmt.Errorf("bundle of %d rows: want 1 to %d", len(b.Rows), Bundled)
	}
	return b.Rows, nil
}
