// The OpenAPI document: written by hand, and held against the handlers by a test.

package api

import (
	_ "embed"
	"net/http"
	"strconv"
)

// documentPath is where the document is served, below Prefix, and documentName its own operation.
const (
	documentPath = "/openapi.json"
	documentName = "getDocument"
)

//go:embed openapi.json
var document []byte

// Document is the OpenAPI document (version 3.1) of the API.
func Document() []byte { return append([]byte(nil), document...) }

// serveDocument answers without a key: the document is the same on every node.
func (a *Handler) serveDocument(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	w.Write(document)
	return nil
}
