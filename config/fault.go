package config

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with the settings.
type Fault struct {
	Setting string // its name, or the name that nobody knows
	Source  string // where the bad value came from
	Problem string // what is wrong and what is wanted
}

func (f Fault) Error() string { return fmt.Sprintf("%s (%s): %s", f.Setting, f.Source, f.Problem) }

// Faults is everything that is wrong, as one error.
type Faults []Fault

func (fs Faults) Error() string {
	var b strings.Builder
	b.WriteString("the settings cannot be used:")
	for _, f := range fs {
		b.WriteString("\n  " + f.Error())
	}
	return b.String()
}

// Unwrap lets callers look at each fault.
func (fs Faults) Unwrap() []error {
	list := make([]error, len(fs))
	for i, f := range fs {
		list[i] = f
	}
	return list
}

// unknown is the fault of a name that is none of names.
func unknown(name, source string, names []string) Fault {
	problem := "there is no such setting; `orderflow config` lists them all"
	if near := nearest(name, names); near != "" {
		problem = fmt.Sprintf("there is no such setting; did you mean %s?", near)
	}
	return Fault{clip(name), source, problem}
}

// nearest is the one of names that word was probably meant to be, if any: a
// third of its letters may be wrong, or only its end may have been written.
func nearest(word string, names []string) string {
	if len(word) > 64 {
		return ""
	}
	best, least := "", len(word)/3+1
	for _, n := range names {
		if strings.HasSuffix(n, "."+word) || strings.HasSuffix(word, "_"+n) {
			return n
		}
		if d := distance(word, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out or changed to make b
// of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
