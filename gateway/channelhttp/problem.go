// Refusals, as application/problem+json (RFC 9457).

package channelhttp

import (
	"encoding/json"
	"net/http"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
)

// problem is a refusal as clients read it.
type problem struct {
	Type   string   `json:"type"` // no page of its own: the title says what the status means
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Code   hub.Code `json:"code"`
	Detail string   `json:"detail"`
}

// refuse answers with the refusal that err stands for.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, sentence := hub.RefusalOf(line.Refusal(err))
	g.lines.Journal().Request(r, "", err)
	g.hub.Refused(refusal.Code)
	body, _ := json.Marshal(problem{"about:blank", http.StatusText(refusal.Status), refusal.Status, refusal.Code, sentence})
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	if wait := g.lines.RetryAfter(line.Refusal(err)); wait != "" {
		header.Set("Retry-After", wait)
	}
	if refusal.Status == http.StatusMethodNotAllowed {
		header.Set("Allow", allowedMethods)
	}
	w.WriteHeader(refusal.Status)
	w.Write(append(body, '\n'))
}

func methodRefused(r *http.Request) error {
	return hub.Errorf(hub.MethodNotAllowed, "the method is %.20s; a channel is read with GET and published in with POST", r.Method)
}
