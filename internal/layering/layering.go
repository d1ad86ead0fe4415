// Package layering keeps the house in order: it reads the sources and says
// which import points up, sideways, or out of its folder's part.
//
// The table in house.go is the law. A folder that is not in it is a fault, so
// that whoever adds one decides where it belongs. The package has no part in
// the program; its test is run with all others.
package layering

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the prefix by which our own packages are imported.
const module = "github.com/orderflow/orderflow"

// main is how the table names the module's root folder.
const root = "."

// room is one folder.
type room struct {
	folder  string
	imports string // our folders that its code may import, with spaces between
}

// law is everything that imports are held against.
type law struct {
	floors [][]room // bottom up
	tests  string   // folders that any test may import besides what lies on lower floors
	only   []fence
	pure   map[string]string // folder → what its code must not import: it does nothing by itself
}

// fence lets only some folders' code import a package and what is below it.
// Tests may import it anywhere.
type fence struct {
	path string
	into string
}

// source is one file's imports.
type source struct {
	name    string // path of the file
	folder  string
	test    bool
	imports []string
}

// check says what in tree breaks the law, one line each, and how many files
// were read.
func (l law) check(tree fs.FS) (faults []string, files int, err error) {
	all, err := read(tree)
	for _, s := range all {
		if _, ok := l.find(s.folder); !ok {
			faults = append(faults, fmt.Sprintf("%s: folder %q is not in the table of internal/layering/house.go: say on which floor it is and what it may import", s.name, s.folder))
			continue
		}
		for _, i := range s.imports {
			if why := l.refuse(s, i); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", s.name, strings.TrimPrefix(i, module+"/"), why))
			}
		}
	}
	return faults, len(all), err
}

// refuse says why s must not import i, or nothing.
func (l law) refuse(s source, i string) string {
	folder, ours := strings.CutPrefix(i+"/", module+"/")
	if ours {
		return l.refuseOurs(s, strings.Trim(path.Clean(folder), "/"))
	}
	if s.test {
		return ""
	}
	if slices.Contains(strings.Fields(l.pure[s.folder]), i) {
		return s.folder + " is pure: hand the result in as a value"
	}
	for _, f := range l.only {
		if (i == f.path || strings.HasPrefix(i, f.path+"/")) && !slices.Contains(strings.Fields(f.into), s.folder) {
			return "only code of [" + f.into + "] and tests may"
		}
	}
	return ""
}

func (l law) refuseOurs(s source, folder string) string {
	to, ok := l.find(folder)
	from, _ := l.find(s.folder)
	switch {
	case !ok:
		return "there is no such folder in the table"
	case slices.Contains(strings.Fields(l.may(s.folder)), folder):
		return ""
	case !s.test:
		return s.folder + " may import only [" + l.may(s.folder) + "]"
	case folder == s.folder, to < from, slices.Contains(strings.Fields(l.tests), folder):
		return ""
	}
	return "even a test imports only what lies on a lower floor"
}

// find is the floor that a folder is on.
func (l law) find(folder string) (floor int, ok bool) {
	floor = slices.IndexFunc(l.floors, func(rooms []room) bool {
		return slices.ContainsFunc(rooms, func(r room) bool { return r.folder == folder })
	})
	return floor, floor >= 0
}

func (l law) may(folder string) string {
	for _, r := range slices.Concat(l.floors...) {
		if r.folder == folder {
			return r.imports
		}
	}
	return ""
}

// read takes the imports of every Go file, whatever its build tags.
func read(tree fs.FS) (all []source, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (skipped(name) || another(tree, name)):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{name: name, folder: path.Dir(name), test: strings.HasSuffix(name, "_test.go")}
		for _, i := range file.Imports {
			s.imports = append(s.imports, strings.Trim(i.Path.Value, "\"`"))
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// another says whether a folder begins another module.
func another(tree fs.FS, folder string) bool {
	_, err := fs.Stat(tree, path.Join(folder, "go.mod"))
	return folder != root && err == nil
}

// skipped folders hold nothing that is built with the module.
func skipped(folder string) bool {
	base := path.Base(folder)
	return folder != root && (base == "testdata" || base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_')
}
