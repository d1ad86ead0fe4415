package cli

import (
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// printer is a plain table: columns that line up, no frames, so that it pastes
// and pipes well.
type printer struct{ w table.Writer }

func newTable(c *cobra.Command, head ...string) *printer {
	w := table.NewWriter()
	w.SetOutputMirror(c.OutOrStdout())
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	p := &printer{w}
	if len(head) > 0 {
		w.AppendHeader(cells(head))
	}
	return p
}

func (p *printer) row(values ...string) { p.w.AppendRow(cells(values)) }
func (p *printer) print()               { p.w.Render() }

func cells(values []string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = onOneLine(v)
	}
	return row
}

// onOneLine takes out what would do more to a terminal than be read.
func onOneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) { // what turns the direction of writing is not
			return r
		}
		return ' '
	}, s)
}

func at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
