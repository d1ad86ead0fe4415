package tasks

import (
	"encoding/json"
	"fmt"
)

// Bundle is what travels through Redis: the subjects of rows of one kind that
// are due together. Whoever takes it reads the rows themselves, so a bundle
// that is stale, doubled or lost says nothing wrong.
type Bundle struct {
	Version  int       `json:"v"`
	Subjects []Subject `json:"ids"`
}

// Bundled is how many rows one asynq task carries at most.
const Bundled = 256

// bundleVersion is of the payload's form. A worker refuses what it does not
// know, and the relay puts the rows back for one that does.
const bundleVersion = 1

// Encode is the payload of an asynq task.
func Encode(subjects []Subject) []byte {
	b, err := json.Marshal(Bundle{Version: bundleVersion, Subjects: subjects})
	if err != nil {
		panic("tasks: a bundle always has a JSON form: " + err.Error())
	}
	return b
}

// Decode reads a payload. An error means that it is not ours, or from another
// release.
func Decode(payload []byte) ([]Subject, error) {
	var b Bundle
	if err := json.Unmarshal(payload, &b); err != nil {
		return nil, fmt.Errorf("payload is not a bundle: %w", err)
	}
	if b.Version != bundleVersion {
		return nil, fmt.Errorf("bundle version %d: this release reads %d", b.Version, bundleVersion)
	}
	if len(b.Subjects) == 0 || len(b.Subjects) > Bundled {
		return nil, fmt.Errorf("bundle of %d rows: want 1 to %d", len(b.Subjects), Bundled)
	}
	return b.Subjects, nil
}
