package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/web"
)

// get asks a site that has the plain pages only.
func get(t *testing.T, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	return getFrom(t, web.WithDist(fstest.MapFS{}), path, header)
}

// getFrom asks a site for a path.
func getFrom(t *testing.T, site web.Site, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	for _, handlers := range []map[string]http.Handler{site.Pages(), site.Assets(), site.Console()} {
		for pattern, page := range handlers {
			mux.Handle(pattern, page)
		}
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
	var files []string
	elsewhere := regexp.MustCompile(`(?i)(src|href|url|from|import)\s*[=(]?\s*['"]?(https?:)?//`)
	for pattern, want := range map[string]int{"*.css": 1, "*.svg": 1, "chat/*": 10, "everyone/*": 9} {
		found, err := fs.Glob(os.DirFS("plain"), pattern)
		if err != nil || len(found) < want {
			t.Fatal(pattern, found, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		content, err := os.ReadFile("plain/" + file)
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

// TestPagesLoadOnlyWhatIsServed follows every address of a file in the pages and their scripts.
func TestPagesLoadOnlyWhatIsServed(t *testing.T) {
	link := regexp.MustCompile(`(?:src|href|data-file)="(/[^"]*)"|from '(\./[^']*)'`)
	seen := map[string]bool{}
	var follow func(at string)
	follow = func(at string) {
		if seen[at] {
			return
		}
		seen[at] = true
		answer := get(t, at, nil)
		if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d, %q", at, answer.Code, answer.Header().Get("Content-Type"))
		}
		for _, m := range link.FindAllStringSubmatch(answer.Body.String(), -1) {
			if m[1] != "" {
				follow(m[1])
			} else {
				follow(path.Join(path.Dir(at), m[2]))
			}
		}
	}
	follow("/everyone")
	if want := len(web.WithDist(fstest.MapFS{}).Pages()) - 1; len(seen) != want { // nothing leads to /
		t.Errorf("the pages load %d files, and %d are served", len(seen), want)
	}
}

func TestHostCannotWriteThePolicy(t *testing.T) {
	for _, host := range []string{"a; script-src *", "a,b", "", "a b", "é"} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		request.Host = host
		web.Embedded().Pages()["/{$}"].ServeHTTP(recorder, request)
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

// built is what Vite may have written.
var built = fstest.MapFS{
	".keep":                 {},
	"index.html":            {Data: []byte("the front page")},
	"pages/chat/index.html": {Data: []byte("the chat")},
	"console/index.html":    {Data: []byte("the console")},
	"assets/chat-1a2b.js":   {Data: []byte("a script")},
	"assets/look-3c4d.css":  {Data: []byte("looks")},
}

func TestPagesAreCompressedForWhoTakesThat(t *testing.T) {
	plain := get(t, "/plain/chat.js", nil)
	for accepted, want := range map[string]bool{
		"gzip": true, "br, GZip;q=0.5": true, "deflate,gzip": true, "gzip; q = 1": true,
		"": false, "br": false, "gzip;q=0": false, "gzip;Q=0": false, "gzip;q=0.000": false, "gzip;q=x": false, "x-gzip": false, "*": false,
	} {
		answer := get(t, "/plain/chat.js", http.Header{"Accept-Encoding": {accepted}})
		body := answer.Body.Bytes()
		if is := answer.Header().Get("Content-Encoding") == "gzip"; is != want || answer.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("for %q: compressed is %v; Vary: %q", accepted, is, answer.Header().Get("Vary"))
		}
		if want {
			if len(body) > plain.Body.Len()*2/3 || answer.Header().Get("ETag") == plain.Header().Get("ETag") {
				t.Errorf("for %q: %d bytes of %d, tag %s", accepted, len(body), plain.Body.Len(), answer.Header().Get("ETag"))
			}
			unpacked, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(unpacked); err != nil {
				t.Fatal(err)
			}
			again := get(t, "/plain/chat.js", http.Header{"Accept-Encoding": {accepted}, "If-None-Match": {answer.Header().Get("ETag")}})
			if again.Code != http.StatusNotModified {
				t.Errorf("for %q, unchanged: %d", accepted, again.Code)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("for %q: other content", accepted)
		}
	}
}

func TestBuiltPagesAreServedBesideThePlainOnes(t *testing.T) {
	site := web.WithDist(built)
	for _, c := range []struct{ path, contentType, caching, body string }{
		{"/", "text/html", "no-cache", "the front page"},
		{"/chat/", "text/html", "no-cache", "the chat"},
		{"/console/", "text/html", "no-cache", "the console"},
		{"/assets/chat-1a2b.js", "text/javascript", "public, max-age=31536000, immutable", "a script"},
		{"/assets/look-3c4d.css", "text/css", "public, max-age=31536000, immutable", "looks"},
		{"/plain", "text/html", "no-cache", "<title>Ringdown</title>"},
	} {
		answer := getFrom(t, site, c.path, nil)
		header := answer.Header()
		if answer.Code != 200 || !strings.HasPrefix(header.Get("Content-Type"), c.contentType) || header.Get("Cache-Control") != c.caching ||
			!strings.Contains(answer.Body.String(), c.body) || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d, %v, %.40q", c.path, answer.Code, header, answer.Body)
		}
	}
	if answer := getFrom(t, site, "/chat", nil); answer.Code != http.StatusPermanentRedirect || answer.Header().Get("Location") != "/chat/" {
		t.Errorf("/chat: %d to %q", answer.Code, answer.Header().Get("Location"))
	}
	if strings.Contains(getFrom(t, site, "/plain", nil).Body.String(), "make run") {
		t.Error("the plain chat says how to get pages that are there")
	}
}

func TestWithoutBuiltPagesTheFrontPageSaysHowToGetThem(t *testing.T) {
	answer := get(t, "/", nil)
	if body := answer.Body.String(); answer.Code != 200 || !strings.Contains(body, "<code>make run</code>") || !strings.Contains(body, `id="composer"`) {
		t.Errorf("%d, %.200q", answer.Code, body)
	}
	if answer := get(t, "/console/", nil); answer.Code != 404 || !strings.Contains(answer.Body.String(), "make build") {
		t.Errorf("the console: %d, %q", answer.Code, answer.Body)
	}
}

// TestScripts runs the tests of the page's scripts, which are written for Node's own test runner.
func TestScripts(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "node", "--test", "plain/line_test.mjs", "plain/conversation_test.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v (the tests need Node; make test-deps installs it)\n%s", err, out)
	}
}

// TestThePageAndTheServerAgreeOnChannelNames asks both about the same names.
func TestThePageAndTheServerAgreeOnChannelNames(t *testing.T) {
	names := []string{"lobby", "", " a", "a ", "the big room", "plant/line.3/#temp+", "a%b", "κανάλι 频道", "🎉", ".", "..", "...",
		"a\nb", "\x00", "a\x7f", "a\u0085", "a\u00a0b", "a\u200bb", "\ufeffa", "a\u202eb", "\u00ad", "\ue000", "\u2028",
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("é", 127), strings.Repeat("é", 128)}
	asked, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	const script = `import { readFileSync } from 'node:fs';
		const source = readFileSync('plain/chat/channel.js', 'utf8');
		const { problemWith } = await import('data:text/javascript,' + encodeURIComponent(source));
		console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(problemWith)));`
	node := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script)
	node.Stdin = bytes.NewReader(asked)
	out, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	if err := json.Unmarshal(out, &problems); err != nil || len(problems) != len(names) {
		t.Fatalf("%d answers, %v: %s", len(problems), err, out)
	}
	for i, name := range names {
		if err := hub.CheckChannel(name); (err == nil) != (problems[i] == "") {
			t.Errorf("%+q: the page says %q, the server %v", name, problems[i], err)
		}
	}
}
