// Whether a node lives, and whether it should get traffic.

package metrics

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// Check is a condition for a node to be ready.
type Check struct {
	Name string // one word: "broker", "keys", …
	// Ready returns nil, or why not in words that anybody may read. It is asked for every request, so it should be quick; ctx
	// ends after CheckTimeout: by then it must return, and has failed.
	Ready func(ctx context.Context) error
}

// CheckTimeout is how long a check may take.
const CheckTimeout = 2 * time.Second

// Health answers /livez and /readyz. Its fields are not to be changed once it is used.
type Health struct {
	Checks []Check
}

// report is the answer in JSON.
type report struct {
	Ready   bool              `json:"ready"`
	Reasons map[string]string `json:"reasons,omitempty"` // why not, by check
}

// Live answers that the process lives: if it answers at all, it does. It says nothing of what the node depends on, so that a broker's
// failure has no node killed.
func (h *Health) Live(w http.ResponseWriter, r *http.Request) {
	respond(w, r, report{Ready: true}, "ok\n")
}

// Ready answers 200 if every check passes, otherwise 503 with the reasons.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	reasons := h.Reasons(r.Context())
	if len(reasons) == 0 {
		respond(w, r, report{Ready: true}, "ok\n")
		return
	}
	var text strings.Builder
	text.WriteString("not ready\n")
	for _, check := range h.Checks {
		if reason, failed := reasons[check.Name]; failed {
			text.WriteString(check.Name + ": " + reason + "\n")
		}
	}
	respond(w, r, report{Reasons: reasons}, text.String())
}

// Reasons are why the node is not ready, by check; none if it is.
func (h *Health) Reasons(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	type outcome struct {
		name string
		err  error
	}
	outcomes := make(chan outcome, len(h.Checks)) // room for those that come too late
	reasons := make(map[string]string, len(h.Checks))
	for _, check := range h.Checks {
		reasons[check.Name] = "it has not answered within " + CheckTimeout.String()
		go func() { outcomes <- outcome{check.Name, check.Ready(ctx)} }()
	}
	for range h.Checks {
		select {
		case o := <-outcomes:
			delete(reasons, o.name)
			if o.err != nil {
				reasons[o.name] = o.err.Error()
			}
		case <-ctx.Done():
			return reasons
		}
	}
	return reasons
}

// respond answers as JSON where that is asked for, otherwise in plain words.
func respond(w http.ResponseWriter, r *http.Request, is report, text string) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "this is read, with GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	status := http.StatusOK
	if !is.Ready {
		status = http.StatusServiceUnavailable
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/json") {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, text)
		return
	}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(is)
}
