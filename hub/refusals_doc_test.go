package hub_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/hub"
)

var update = flag.Bool("update", false, "rewrite docs/errors.md")

const errorsPage = "../docs/errors.md"

// TestTheErrorsPageIsTheTable keeps docs/errors.md what hub.Refusals says.
func TestTheErrorsPageIsTheTable(t *testing.T) {
	want := errorsDocument()
	if *update {
		if err := os.WriteFile(errorsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(errorsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/errors.md is not up to date; go test ./hub -run ErrorsPage -update writes it:\n%s", diff)
	}
}

func errorsDocument() string {
	var b strings.Builder
	b.WriteString(`# Errors

Every refusal has a code, the same over every transport, and a sentence that says what was refused, why, and what to change.

- Over HTTP: the status, and an ` + "`application/problem+json`" + ` body with ` + "`code`" + ` and ` + "`detail`" + `.
- Over ` + "`/connect`" + `: ` + "`" + `{"type":"error","id":…,"code":…,"message":…}` + "`" + `. The connection lives on, unless a close code is named.
- Over a raw WebSocket, which has no words for it: a Close frame with the close code, and the sentence as its reason.

This page is made from the table in ` + "`hub/errors.go`" + `.

| code | means | what to do | HTTP | close code |
|---|---|---|---|---|
`)
	for _, r := range hub.Refusals() {
		closes := "–"
		if r.Close != 0 {
			closes = fmt.Sprint(r.Close)
		}
		fmt.Fprintf(&b, "| <a id=%q></a>`%s` | %s | %s | %d %s | %s |\n", r.Code, r.Code, r.Means, r.Cure, r.Status, http.StatusText(r.Status), closes)
	}
	return b.String()
}

func TestEveryRefusalIsWhole(t *testing.T) {
	seen := make(map[hub.Code]bool)
	for _, r := range hub.Refusals() {
		if seen[r.Code] || r.Means == "" || r.Cure == "" || r.Status < 400 || http.StatusText(r.Status) == "" {
			t.Errorf("%+v", r)
		}
		seen[r.Code] = true
	}
}

func TestRefusalOfKeepsTheCauseOfOtherErrorsBack(t *testing.T) {
	for _, c := range []struct {
		err      error
		code     hub.Code
		sentence string
	}{
		{hub.Errorf(hub.BadCursor, "the cursor %q is none", "x"), hub.BadCursor, `the cursor "x" is none`},
		{fmt.Errorf("wrapped: %w", hub.Errorf(hub.Full, "full")), hub.Full, "full"},
		{fmt.Errorf("%w!", hub.ErrFull), hub.Full, "the server holds as many sessions as it may; try again later"},
		{hub.ErrShutdown, hub.ShuttingDown, "the server is shutting down; come back in a few seconds"},
		{hub.ErrEnded, hub.Unavailable, "the session has ended; open another one"},
		{os.ErrPermission, hub.Internal, "the server could not do it; its log says why"},
	} {
		if r, sentence := hub.RefusalOf(c.err); r.Code != c.code || sentence != c.sentence {
			t.Errorf("%v: %s, %q", c.err, r.Code, sentence)
		}
	}
}
