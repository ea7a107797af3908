package doctor_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/doctor"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// patience bounds what takes milliseconds on a machine that is not busy.
const patience = 20 * time.Second

// quietLog keeps handshakes that fail on purpose out of the tests' output.
var quietLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

func dev(c *config.Config) { c.Dev = true }

// startNode runs a node for as long as the test, and returns its URL.
func startNode(t *testing.T, change func(*config.Config)) *url.URL {
	t.Helper()
	c := config.Default()
	c.Listen.Address = "127.0.0.1:0"
	change(&c)
	node, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := errors.Join(node.Shutdown(ctx), <-serving); err != nil {
			t.Error(err)
		}
	})
	return &url.URL{Scheme: "http", Host: node.Addr().String()}
}

// proxied puts a proxy in front of a node that does as intercept says; what that leaves goes to the node.
func proxied(t *testing.T, node *url.URL, intercept func(w http.ResponseWriter, r *http.Request) (done bool), mangle func(http.Header)) *httptest.Server {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(node); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			if mangle != nil {
				mangle(r.Header)
			}
			return nil
		},
		FlushInterval: -1,
		ErrorLog:      quietLog,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if intercept == nil || !intercept(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func examine(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	report, err := doctor.Examine(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func text(r *doctor.Report) string {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s %s: %s\n\t→ %s\n", f.Status, f.Step, f.Text, f.Cure)
	}
	return out.String()
}

// expect wants a finding whose text and cure hold what is given.
func expect(t *testing.T, r *doctor.Report, status doctor.Status, step, said, cure string) {
	t.Helper()
	if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Status == status && f.Step == step && strings.Contains(f.Text, said) && strings.Contains(f.Cure, cure)
	}) {
		t.Errorf("no %s of %s says %q, with %q as a cure:\n%s", status, step, said, cure, text(r))
	}
}

func TestNothingIsWrongWithAHealthyNode(t *testing.T) {
	node := startNode(t, dev)
	var told []doctor.Finding
	r := examine(t, doctor.Options{
		URL: "ws://" + node.Host + "/channels/news", PID: os.Getpid(), Idle: time.Second,
		Tell: func(f doctor.Finding) { told = append(told, f) },
	})
	if r.Failures+r.Warnings > 0 {
		t.Errorf("the doctor is not content:\n%s", text(r))
	}
	for _, step := range []string{"dns", "tcp", "tls", "http", "clock", "poll", "long poll", "sse", "websocket", "frames", "origin", "idle"} {
		expect(t, r, doctor.OK, step, "", "")
	}
	expect(t, r, doctor.OK, "websocket", "/channels/news", "")
	if !slices.Equal(told, r.Findings) {
		t.Errorf("told %v, reported %v", told, r.Findings)
	}
}

// answersAndEats completes a handshake, and passes nothing on.
func answersAndEats(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Upgrade") == "" {
		return false
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"ringdown.v1.json"}, AnyOrigin: true})
	if err == nil {
		defer c.CloseNow()
		<-r.Context().Done()
	}
	return true
}

// welcomesAndEats passes what the node says, and nothing to it.
func welcomesAndEats(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Upgrade") == "" {
		return false
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"ringdown.v1.json"}, AnyOrigin: true})
	if err == nil {
		defer c.CloseNow()
		c.Write(r.Context(), websocket.Text, []byte(`{"type":"welcome","protocol":1,"session":"x"}`))
		<-r.Context().Done()
	}
	return true
}

// on intercepts requests that carry a field.
func on(field, value string, do http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Header.Get(field), value) {
			return false
		}
		do(w, r)
		return true
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestWhatAProxyDoesIsNamed(t *testing.T) {
	for _, c := range []struct {
		name       string
		intercept  func(http.ResponseWriter, *http.Request) bool
		mangle     func(http.Header)
		status     doctor.Status
		step       string
		said, cure string
	}{
		{"101, and frames are eaten", answersAndEats, nil, doctor.Failure, "frames", "no frame of the node arrived", "101"},
		{"101, and frames pass one way", welcomesAndEats, nil, doctor.Failure, "frames", "but none at it", "both ways"},
		{"101 of its own making", on("Upgrade", "websocket", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}), nil, doctor.Failure, "websocket", "a broken one", "Upgrade"},
		{"Upgrade is stripped", on("Upgrade", "websocket", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Upgrade is missing; send Upgrade: websocket", http.StatusUpgradeRequired)
		}), nil, doctor.Failure, "websocket", "Upgrade was not passed on", "proxy_set_header Upgrade"},
		{"Upgrade gets no answer", on("Upgrade", "websocket", hang), nil, doctor.Failure, "websocket", "no answer", "TLS"},
		{"Upgrade cuts the connection", on("Upgrade", "websocket", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), nil,
			doctor.Failure, "websocket", "no answer", "firewall"},
		{"Upgrade is forbidden", on("Upgrade", "websocket", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }), nil,
			doctor.Failure, "websocket", "403", "firewall"},
		{"the subprotocol is lost", on("Upgrade", "websocket", func(w http.ResponseWriter, r *http.Request) {
			if c, err := websocket.Accept(w, r, &websocket.AcceptOptions{AnyOrigin: true}); err == nil {
				c.CloseNow()
			}
		}), nil, doctor.Warning, "websocket", "without the subprotocol", "Sec-WebSocket-Protocol"},
		{"streams wait for their end", on("Accept", "text/event-stream", hang), nil, doctor.Failure, "sse", "not even the head", "proxy_buffering off"},
		{"streams wait behind their head", on("Accept", "text/event-stream", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			hang(w, r)
		}), nil, doctor.Failure, "sse", "then no byte of the stream", "proxy_buffering off"},
		{"streams end at once", on("Accept", "text/event-stream", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
		}), nil, doctor.Failure, "sse", "ended before it began", "log"},
		{"Accept is lost", on("Accept", "text/event-stream", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "application/json") }), nil,
			doctor.Failure, "sse", "no event stream", "Accept"},
		{"streams are compressed", nil, func(h http.Header) {
			if strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
				h.Set("Content-Encoding", "br")
			}
		}, doctor.Warning, "sse", "compresses the stream (br)", "compression"},
		{"a cache answers", nil, func(h http.Header) { h.Set("X-Cache", "HIT from edge") }, doctor.Failure, "poll", "a cache answered (X-Cache: HIT from edge)", "no-store"},
		{"an old answer", nil, func(h http.Header) { h.Set("Age", "30") }, doctor.Failure, "poll", "a cache answered (Age: 30)", "no-store"},
		{"a clock that is off", nil, func(h http.Header) { h.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)) },
			doctor.Failure, "clock", "behind", "NTP"},
		{"a clock that is a little off", nil, func(h http.Header) { h.Set("Date", time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat)) },
			doctor.Warning, "clock", "ahead of", "NTP"},
		{"the query is lost", func(_ http.ResponseWriter, r *http.Request) bool { r.URL.RawQuery = ""; return false }, nil, doctor.Warning, "long poll", "without waiting", "query"},
		{"long polls are cut", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Has("wait") {
				w.WriteHeader(http.StatusGatewayTimeout)
			}
			return r.URL.Query().Has("wait")
		}, nil, doctor.Failure, "long poll", "504", "proxy_read_timeout"},
		{"the node is not there", func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }, nil,
			doctor.Failure, "poll", "502", "start the node"},
		{"another site", func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>welcome"); return true }, nil,
			doctor.Failure, "poll", "no Ringdown node: 200 OK: a page of HTML", "proxy_pass"},
		{"a redirection", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://b.example/", http.StatusFound)
			return true
		}, nil,
			doctor.Failure, "poll", "302", "https://b.example/"},
		{"Access-Control fields are stripped", nil, func(h http.Header) { h.Del("Access-Control-Allow-Origin") }, doctor.Warning, "origin", "the browser is not told", "leave the Access-Control fields"},
		{"Access-Control fields come twice", nil, func(h http.Header) { h.Add("Access-Control-Allow-Origin", "*") }, doctor.Warning, "origin", "the browser is not told", "leave the Access-Control fields"},
		{"OPTIONS is answered on the way", func(w http.ResponseWriter, r *http.Request) bool { return r.Method == http.MethodOptions }, nil,
			doctor.Warning, "origin", "preflight", "pass OPTIONS"},
		{"Host is changed", func(_ http.ResponseWriter, r *http.Request) bool { r.Host = "127.0.0.1:1"; return false }, nil, doctor.Warning, "origin", "may not open a WebSocket", "Host $http_host"},
		{"nginx says so", nil, func(h http.Header) { h.Set("Server", "nginx/1.27.0") }, doctor.OK, "http", "nginx answers (Server: nginx/1.27.0)", ""},
		{"Cloudflare says so", nil, func(h http.Header) { h.Set("Cf-Ray", "7") }, doctor.OK, "http", "Cloudflare answers", ""},
		{"somebody says so", nil, func(h http.Header) { h.Set("Via", "1.1 gw") }, doctor.OK, "http", "a proxy answers (Via: 1.1 gw)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := proxied(t, startNode(t, dev), c.intercept, c.mangle)
			o := doctor.Options{URL: s.URL}
			if strings.Contains(c.said, "no answer") || strings.Contains(c.said, "head") || strings.Contains(c.said, "frame") || strings.Contains(c.said, "byte") || c.step == "frames" {
				o.Timeout = time.Second // which is waited for
			}
			expect(t, examine(t, o), c.status, c.step, c.said, c.cure)
		})
	}
}

func TestAnAddressWhereNobodyListensEndsTheWalk(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := examine(t, doctor.Options{URL: "http://" + l.Addr().String()})
	expect(t, r, doctor.Failure, "tcp", "refused", "nothing listens on port")
	if last := r.Findings[len(r.Findings)-1]; last.Step != "tcp" {
		t.Errorf("it went on to %s", last.Step)
	}
}

func TestSilentServersDoNotHoldTheDoctorUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // connections wait in its queue for ever
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	expect(t, examine(t, doctor.Options{URL: "http://" + l.Addr().String(), Timeout: time.Second}), doctor.Failure, "http", "no answer", "PROXY protocol")
	expect(t, examine(t, doctor.Options{URL: "https://" + l.Addr().String(), Timeout: time.Second}), doctor.Failure, "tls", "no TLS", "")
}

func TestAnInterruptedExaminationSaysSo(t *testing.T) {
	node := startNode(t, dev)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := doctor.Examine(ctx, doctor.Options{URL: node.String()})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, r, doctor.Failure, "doctor", "interrupted", "again")
}

func TestPagesOfAnotherOriginAreLookedAt(t *testing.T) {
	const page = "https://app.example.com"
	r := examine(t, doctor.Options{URL: startNode(t, func(c *config.Config) { c.Dev, c.Origins = true, []string{page} }).String(), Origin: page})
	expect(t, r, doctor.OK, "origin", page, "")
	r = examine(t, doctor.Options{URL: startNode(t, dev).String(), Origin: page})
	expect(t, r, doctor.Failure, "origin", page, "--origin "+page)
}

// mint makes a key and a token signed with it.
func mint(t *testing.T, ttl time.Duration) ([]config.AuthKey, string) {
	t.Helper()
	secret := strings.Repeat("k", 32)
	key, err := auth.NewSigningKey("", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	token, err := auth.Mint(&auth.Claims{User: "ann", IssuedAt: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(ttl)}, key)
	if err != nil {
		t.Fatal(err)
	}
	return []config.AuthKey{{Secret: config.Secret(secret)}}, token
}

func TestTokensAreJudgedByTheServerAndNeverShown(t *testing.T) {
	key, good := mint(t, time.Hour)
	_, expired := mint(t, -time.Hour)
	known := startNode(t, func(c *config.Config) { c.Auth.Keys = key })
	strict := startNode(t, func(c *config.Config) { c.Auth.Keys, c.Auth.Anonymous = key, false })
	deaf := proxied(t, known, func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Authorization"); return false }, nil)
	echo := proxied(t, known, func(w http.ResponseWriter, r *http.Request) bool {
		token := r.Header.Get("Authorization")
		if token != "" {
			http.Error(w, "this is "+token, http.StatusUnauthorized)
		}
		return token != ""
	}, nil)
	for _, c := range []struct {
		name, url, token string
		status           doctor.Status
		step, said, cure string
	}{
		{"good", known.String(), good, doctor.OK, "token", `takes it, for the user "ann", until`, ""},
		{"needed", strict.String(), good, doctor.OK, "token", "takes a request with it", ""},
		{"needed and missing", strict.String(), "", doctor.Warning, "poll", "a token is needed here", "--token-file"},
		{"expired, by this clock", known.String(), expired, doctor.Failure, "token", "expired 1h", "new one"},
		{"expired, by the server's", known.String(), expired, doctor.Failure, "token", "401 Unauthorized", "new token"},
		{"foreign", startNode(t, func(*config.Config) {}).String(), good, doctor.Failure, "token", "takes no tokens", ""},
		{"nonsense", known.String(), "not.a.token", doctor.Failure, "token", "it is no token", "token inspect"},
		{"lost on the way", deaf.URL, good, doctor.Warning, "frames", "does not see the token", "Authorization"},
		{"quoted by the server, and cut", echo.URL, long(good), doctor.Failure, "token", "this is Bearer (token)…", ""},
		{"quoted by the server", echo.URL, good, doctor.Failure, "token", "this is Bearer (token)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := examine(t, doctor.Options{URL: c.url, Token: c.token})
			expect(t, r, c.status, c.step, c.said, c.cure)
			said, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if c.token != "" && strings.Contains(string(said), c.token[:min(40, len(c.token))]) {
				t.Error("the report holds the token")
			}
		})
	}
}

// long is a token as long as one that is signed by RSA.
func long(token string) string {
	return token[:strings.LastIndex(token, ".")+1] + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte("signed"), 43))
}

func TestAnErrorOfTheServerIsNoConsentToTheToken(t *testing.T) {
	key, token := mint(t, time.Hour)
	node := startNode(t, func(c *config.Config) { c.Auth.Keys = key })
	for _, status := range []int{http.StatusFound, http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError, http.StatusBadGateway} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := proxied(t, node, func(w http.ResponseWriter, r *http.Request) bool {
				refused := r.Header.Get("Upgrade") == ""
				if refused {
					w.WriteHeader(status)
				}
				return refused
			}, nil)
			r := examine(t, doctor.Options{URL: s.URL, Token: token})
			expect(t, r, doctor.Warning, "token", fmt.Sprint("cannot be told: a request with it was answered with ", status), "")
			if strings.Contains(text(r), "takes it, for") || strings.Contains(text(r), "takes a request with it") {
				t.Errorf("the token is said to be taken:\n%s", text(r))
			}
			expect(t, r, map[bool]doctor.Status{false: doctor.OK, true: doctor.Warning}[status >= 500], "http", fmt.Sprint(status), "")
		})
	}
}

func TestANodeThatWantsTokensIsReady(t *testing.T) {
	key, _ := mint(t, time.Hour)
	node := startNode(t, func(c *config.Config) { c.Auth.Keys, c.Auth.Anonymous = key, false })
	r := examine(t, doctor.Options{URL: node.String(), Ready: true})
	expect(t, r, doctor.OK, "ready", "the node is ready", "")
	if r.Failures+r.Warnings > 0 {
		t.Errorf("the doctor is not content:\n%s", text(r))
	}
	if r = examine(t, doctor.Options{URL: node.String()}); r.Failures > 0 || r.Warnings == 0 {
		t.Errorf("without a token there are to be warnings alone:\n%s", text(r))
	}
}

func TestANodeThatIsNotReadySaysWhy(t *testing.T) {
	s := proxied(t, startNode(t, dev), func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "not ready\ndrain: the node is about to stop", http.StatusServiceUnavailable)
		return true
	}, nil)
	expect(t, examine(t, doctor.Options{URL: s.URL, Ready: true}), doctor.Failure, "ready", "not ready: drain: the node is about to stop", "wait")
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []struct {
		options doctor.Options
		said    string
	}{
		{doctor.Options{URL: "rt.example.com"}, "begin it with http://"},
		{doctor.Options{URL: "ftp://rt.example.com"}, "begin it with http://"},
		{doctor.Options{URL: "http://"}, "names no host"},
		{doctor.Options{URL: "http://a\x7f/?token=geheim"}, "cannot be read"},
		{doctor.Options{URL: "http://a/?token=geheim"}, "--token-file"},
		{doctor.Options{URL: "http://ann:geheim@a/"}, "user or password"},
		{doctor.Options{URL: "http://a/channels/b/c"}, "%2F"},
		{doctor.Options{URL: "http://a/", Idle: -1}, "negative"},
		{doctor.Options{URL: "http://a/", Origin: "https://b/"}, "without a path"},
	} {
		_, err := doctor.Examine(t.Context(), c.options)
		if err == nil || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%+v: %v, want a sentence with %q", c.options, err, c.said)
		}
	}
}
