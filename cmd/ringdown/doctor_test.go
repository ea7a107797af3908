package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/doctor"
)

func TestDoctorPrintsALineForEachStepAndFailsWithTheWay(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	r := runCommand(t, nil, "doctor", s.URL)
	if r.status != 1 || !strings.Contains(r.errs, "failures on the way to "+s.URL) {
		t.Errorf("status %d: %s", r.status, r.errs)
	}
	for _, want := range []string{"ok       tcp  ", "failure  poll  ", "404 Not Found", "\n                      → "} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
}

func TestDoctorWritesAReportForPrograms(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	r := runCommand(t, nil, "doctor", "--json", s.URL)
	var report doctor.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.Failures == 0 || report.URL != s.URL || r.status != 1 {
		t.Errorf("status %d, %v: %s", r.status, err, r.out)
	}
}

func TestDoctorKeepsTheTokenToItself(t *testing.T) {
	var sent string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" {
			sent = token
			http.Error(w, "\x1b[31mthis is "+token, http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	private, _ := keyFiles(t, "HS256", "--format", "jwk")
	token := mintToken(t, "--key", private, "--user", "ann")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--json"}} {
		r := runCommand(t, nil, append([]string{"doctor", s.URL, "--token-file", file}, args...)...)
		if sent != "Bearer "+token {
			t.Fatalf("the server was sent %q", sent)
		}
		if strings.Contains(r.out+r.errs, token) || strings.Contains(r.out, "\x1b") || !strings.Contains(r.out, "this is Bearer (token)") {
			t.Errorf("printed:\n%s\n%s", r.out, r.errs)
		}
	}
	runCommand(t, strings.NewReader("two tokens\n"), "doctor", s.URL, "--token-file", "-").check(t, 1, "", "more than one")
}
