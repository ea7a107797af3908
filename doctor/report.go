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

// add notes a finding. A server may quote the token that it was sent; here it ends.
func (e *examination) add(f Finding) {
	if e.Token != "" {
		f.Text = strings.ReplaceAll(f.Text, e.Token, "(token)")
		f.Cure = strings.ReplaceAll(f.Cure, e.Token, "(token)")
	}
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
