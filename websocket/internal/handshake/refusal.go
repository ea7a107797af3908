package handshake

// What a server answers instead of 101: a status, a sentence that says what to change, and the fields that go with it.

import (
	"fmt"
	"io"
	"net/http"
)

// Refusal is a handshake that the server turned down.
type Refusal struct {
	Status int
	Reason string      // one line for a person; it may be sent to the client
	Header http.Header // further fields of the answer, under canonical names; may be nil
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("handshake refused with %d %s: %s", r.Status, http.StatusText(r.Status), r.Reason)
}

// WriteRefusal answers with the refusal's status and fields, and its reason as plain text. Fields that w already holds
// and that would describe another body are dropped.
//
// The answer closes the connection, for behind a handshake a client may already have sent frames, and those must not be
// read as its next request. It stays open after 405, which no handshake meets, and after 505: closing there would end
// all other streams of an HTTP/2 connection.
func WriteRefusal(w http.ResponseWriter, r *Refusal) {
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		delete(h, name)
	}
	for name, values := range r.Header {
		h[name] = values
	}
	if r.Status != http.StatusMethodNotAllowed && r.Status != http.StatusHTTPVersionNotSupported {
		// net/http looks for "close" in the first line of the field only.
		h[fieldConnection] = append([]string{"close"}, r.Header[fieldConnection]...)
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(r.Status)
	_, _ = io.WriteString(w, r.Reason+"\n") // an error means the client has gone; nobody is left to tell
}
