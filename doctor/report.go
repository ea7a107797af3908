// What was found: a line for each step, with the cure.

package doctor

import (
	"fmt"
	"strings"
)

// Status is how a step went.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, but something is not as it should be, or could not be looked at
	Failure Status = "failure" // clients will fail
)

// Finding is what one step found.
type Finding struct {
	Step   string `json:"step"`
	Status Status `json:"status"`
	Text   string `json:"text"`           // a sentence; it may quote what a server said
	Cure   string `json:"cure,omitempty"` // what to change
}

// Report is what was found on the way to URL, in the order of the way.
type Report struct {
	URL      string    `json:"url"`
	Findings []Finding `json:"findings"`
	Warnings int       `json:"warnings"`
	Failures int       `json:"failures"`
}

func (e *examination) ok(step, format string, args ...any) {
	e.add(Finding{Step: step, Status: OK, Text: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(step, text, cure string) {
	e.add(Finding{Step: step, Status: Warning, Text: text, Cure: cure})
}

func (e *examination) fail(step, text, cure string) {
	e.add(Finding{Step: step, Status: Failure, Text: text, Cure: cure})
}

// add notes a finding. A server may quote the token that it was sent, or a piece of it; here it ends.
func (e *examination) add(f Finding) {
	f.Text, f.Cure = without(f.Text, e.Token), without(f.Cure, e.Token)
	switch f.Status {
	case Warning:
		e.report.Warnings++
	case Failure:
		e.report.Failures++
	}
	e.report.Findings = append(e.report.Findings, f)
	if e.Tell != nil {
		e.Tell(f)
	}
}

// shortestPiece is the length, in bytes, from which on a piece of a token is held for one. Less tells nothing.
const shortestPiece = 16

// without is text with "(token)" in place of each piece of the token: whoever quoted it may have cut it anywhere.
func without(text, token string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(shortestPiece, len(token))
		if n == 0 || len(text) < n || !strings.Contains(token, text[:n]) {
			b.WriteByte(text[0])
			text = text[1:]
			continue
		}
		for n < len(text) && strings.Contains(token, text[:n+1]) {
			n++
		}
		b.WriteString("(token)")
		text = text[n:]
	}
	return b.String()
}
