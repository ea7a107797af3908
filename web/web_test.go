package web_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/web"
)

func get(t *testing.T, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, page := range web.Pages() {
		mux.Handle(pattern, page)
	}
	request := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost:8000"+path, nil)
	for name, values := range header {
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, request)
	return recorder
}

func TestPagesNeedNothingThatTheirPolicyForbids(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>|javascript:|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`)
	elsewhere := regexp.MustCompile(`(?i)(src|href|url|from|import)\s*[=(]?\s*['"]?(https?:)?//`)
	files, err := fs.Glob(os.DirFS("chat"), "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile("chat/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if found := forbidden.Find(content); found != nil {
			t.Errorf("%s holds %q", file, found)
		}
		if found := elsewhere.Find(content); found != nil {
			t.Errorf("%s loads from elsewhere: %q", file, found)
		}
	}
}

func TestPolicyAllowsThisServerOnly(t *testing.T) {
	policy := get(t, "/", nil).Header().Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'",
		"connect-src 'self' ws://localhost:8000 wss://localhost:8000;",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q is unsafe", policy)
	}
}

func TestHostCannotWriteThePolicy(t *testing.T) {
	for _, host := range []string{"a; script-src *", "a,b", "", "a b", "é"} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		request.Host = host
		web.Pages()["/{$}"].ServeHTTP(recorder, request)
		if policy := recorder.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self';") {
			t.Errorf("host %q: policy %q", host, policy)
		}
	}
}

func TestUnchangedPageIsSentOnce(t *testing.T) {
	first := get(t, "/", nil)
	tag := first.Header().Get("ETag")
	if first.Code != http.StatusOK || len(tag) != 18 {
		t.Fatalf("%d, tag %s", first.Code, tag)
	}
	again := get(t, "/", http.Header{"If-None-Match": {tag}})
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("asked with its tag: %d and %d bytes", again.Code, again.Body.Len())
	}
}

// TestScripts runs the tests of the page's scripts, which are written for Node's own test runner.
func TestScripts(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "node", "--test", "line_test.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v (the tests need Node; make test-deps installs it)\n%s", err, out)
	}
}
