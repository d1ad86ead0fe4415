package producer

import (
	"bytes"
	"compress/gzip"
	"embed"
	"html/template"
	"io"
	"net/http"
	"strings"

	"github.com/orderflow/orderflow/producer/api"
)

// The docs page is Stoplight Elements 9.0.25 (Apache-2.0), as published, with
// its two files gzipped.
//
//go:embed docs/*.gz
var docsFiles embed.FS

// The address is written out without the scheme because a page that was opened
// as http://user:key@host may fetch nothing that is relative to its own.
const docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Orderflow API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/styles.min.css">
<script src="/docs/web-components.min.js" defer></script>
</head>
<body>
<elements-api apiDescriptionUrl="//{{.}}/openapi.json" router="hash" layout="responsive"></elements-api>
</body>
</html>
`

// docsPolicy lets the page speak to this door and to nobody else. Its styles
// are partly made at run time, hence unsafe-inline for them alone.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
	"img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var docsTemplate = template.Must(template.New("docs").Parse(docsPage))

func serveDocs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("Referrer-Policy", "same-origin")
	_ = docsTemplate.Execute(w, r.Host) // fails only when the reader has gone
}

// serveDocsFile serves one of the page's files, gzipped to whoever can read
// that.
func serveDocsFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	packed, err := docsFiles.ReadFile("docs/" + name + ".gz")
	if err != nil {
		callOf(r.Context()).refuse(w, fault(api.NotFound, ""))
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "private, max-age=86400")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", docsType(name))
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed) //nolint:gosec // a file of ours, embedded
		return
	}
	text, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("producer: the embedded docs are gzipped: " + err.Error())
	}
	_, _ = io.Copy(w, text) //nolint:gosec // a file of ours, embedded
}

func docsType(name string) string {
	if strings.HasSuffix(name, ".css") {
		return "text/css; charset=utf-8"
	}
	return "text/javascript; charset=utf-8"
}
