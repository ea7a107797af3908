package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const patience = 20 * time.Second

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func logger() (*slog.Logger, *lockedBuffer) {
	b := &lockedBuffer{}
	return slog.New(slog.NewTextHandler(b, nil)), b
}

// keyServer publishes what answer says, over real HTTP on loopback.
type keyServer struct {
	url    string
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func serveKeys(t *testing.T, keys ...*SigningKey) *keyServer {
	s := &keyServer{}
	s.publish(t, keys...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *keyServer) publish(t *testing.T, keys ...*SigningKey) { s.say(jwks(t, keys...)) }

func (s *keyServer) say(text string) {
	s.handle(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
}

func (s *keyServer) handle(h http.HandlerFunc) { s.answer.Store(&h) }

func jwks(t *testing.T, keys ...*SigningKey) string {
	t.Helper()
	var list []string
	for _, k := range keys {
		list = append(list, string(must[[]byte](t)(k.PublicJWK())))
	}
	return `{"keys":[` + strings.Join(list, ",") + `]}`
}

// eventually waits for what other goroutines do, over a real network.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func edKey(t *testing.T, id string) *SigningKey { return must[*SigningKey](t)(GenerateKey(EdDSA, id)) }

func TestAKeyServersKeysVerifyAndRotate(t *testing.T) {
	old, next := edKey(t, "old"), edKey(t, "next")
	server := serveKeys(t, old, signers()[RS256], signers()[ES256])
	v := verifier(t, Options{Keys: []Key{{URL: server.url}}, UnknownKeyInterval: time.Nanosecond, Timeout: patience})
	for _, k := range []*SigningKey{old, signers()[RS256], signers()[ES256]} { // the first waits for the first load
		must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), k))))
	}
	token := must[string](t)(Mint(good(), next))
	refused(t, v, token, ErrUnknownKey)
	server.publish(t, next)
	must[*Claims](t)(v.Verify(t.Context(), token))
	refused(t, v, must[string](t)(Mint(good(), old)), ErrUnknownKey) // withdrawn
}

func TestMadeUpKeyIDsDoNotFloodTheKeyServer(t *testing.T) {
	server := serveKeys(t, edKey(t, "a"))
	v := verifier(t, Options{Keys: []Key{{URL: server.url}}, Timeout: patience, UnknownKeyInterval: time.Hour})
	var all sync.WaitGroup
	for i := range 50 {
		token := must[string](t)(Mint(good(), edKey(t, fmt.Sprint("made-up-", i))))
		all.Go(func() { refused(t, v, token, ErrUnknownKey) })
	}
	all.Wait()
	if n := server.asked.Load(); n != 1 {
		t.Errorf("the key server was asked %d times", n)
	}
}

func TestASecretInAPublishedSetIsNotTaken(t *testing.T) {
	server := serveKeys(t, edKey(t, "a"))
	secret := signers()[HS256]
	server.say(`{"keys":[` + string(must[[]byte](t)(secret.PrivateJWK())) + `,` + string(must[[]byte](t)(signers()[ES256].PublicJWK())) + `]}`)
	v := verifier(t, Options{Keys: []Key{{URL: server.url}}, Timeout: patience})
	if err := v.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(t, v, must[string](t)(Mint(good(), secret)), ErrUnknownKey)
}

func TestBadAnswersOfAKeyServerAreExplainedAndTheOldKeysGoOn(t *testing.T) {
	k := edKey(t, "a")
	server := serveKeys(t, k)
	log, logged := logger()
	v := verifier(t, Options{Keys: []Key{{URL: server.url + "/jwks?password=hunter2"}}, Log: log, Timeout: patience})
	token := must[string](t)(Mint(good(), k))
	must[*Claims](t)(v.Verify(t.Context(), token))
	for _, test := range []struct {
		name, sentence string
		answer         http.HandlerFunc
	}{
		{"an error", "503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }},
		{"a page", "is not JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in") }},
		{"no keys", "has no key", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) }},
		{"keys twice", "twice", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[],"keys":[]}`) }},
		{"too many keys", "at most 64", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[{}`+strings.Repeat(",{}", 64)+`]}`)
		}},
		{"a broken key", "number 1", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`)
		}},
		{"megabytes", "more than", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 4<<20)) }},
		{"half an answer", "broke off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"keys":`)
		}},
		{"a circle of redirections", "redirections", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.handle(test.answer)
			err := v.Reload(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.sentence) {
				t.Errorf("%v; want %q in it", err, test.sentence)
			}
			if strings.Contains(fmt.Sprint(err, v.Keys()), "hunter2") {
				t.Errorf("%v shows the query", err)
			}
			must[*Claims](t)(v.Verify(t.Context(), token))
		})
	}
	server.publish(t, k)
	if err := v.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if text := logged.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "could not be loaded") {
		t.Errorf("the log says %s", text)
	}
	silent(t, logged.String(), token)
}

func TestASlowKeyServerHoldsNobodyLongerThanHeWaits(t *testing.T) {
	server := serveKeys(t, edKey(t, "a"))
	release := make(chan struct{})
	server.handle(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	token := must[string](t)(Mint(good(), edKey(t, "a")))

	v := verifier(t, Options{Keys: []Key{{URL: server.url}}, Timeout: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := v.Verify(ctx, token); !errors.Is(err, ErrUnavailable) {
		t.Errorf("refused with %v", err)
	}

	v = verifier(t, Options{Keys: []Key{{URL: server.url}}, Timeout: 20 * time.Millisecond})
	refused(t, v, token, ErrUnavailable)
	eventually(t, "the time-out", func() bool { return v.Keys()[0].Err != nil })
	if err := v.Keys()[0].Err; !strings.Contains(err.Error(), "within 20ms") {
		t.Errorf("the failure is %v", err)
	}
}

func TestRedirectionsDoNotLeaveHTTPS(t *testing.T) {
	k := edKey(t, "a")
	plain := serveKeys(t, k)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.url, http.StatusFound))
	defer secure.Close()
	v := verifier(t, Options{Keys: []Key{{URL: secure.URL}}, Client: secure.Client(), Timeout: patience})
	if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "leaves https") {
		t.Errorf("%v", err)
	}
	if plain.asked.Load() != 0 {
		t.Error("the plain server was asked")
	}
}

// roundTrip answers requests without a network, for simulated time.
type roundTrip func() (*http.Response, error)

func (f roundTrip) RoundTrip(*http.Request) (*http.Response, error) { return f() }

func TestInAnOutageOldKeysGoOnForABoundedTime(t *testing.T) {
	k := edKey(t, "a")
	set := jwks(t, k)
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		client := &http.Client{Transport: roundTrip(func() (*http.Response, error) {
			if down.Load() {
				return nil, errors.New("connection refused")
			}
			recorder := httptest.NewRecorder()
			recorder.WriteString(set)
			return recorder.Result(), nil
		})}
		v := must[*Verifier](t)(New(Options{Keys: []Key{{URL: "https://keys.example/"}}, Client: client, MaxStale: 2 * time.Hour}))
		defer v.Close()
		fresh := func() string { return must[string](t)(Mint(good(), k)) }
		must[*Claims](t)(v.Verify(t.Context(), fresh()))
		down.Store(true)
		time.Sleep(100 * time.Minute)
		must[*Claims](t)(v.Verify(t.Context(), fresh()))
		time.Sleep(time.Hour)
		refused(t, v, fresh(), ErrUnavailable)
		if state := v.Keys()[0]; state.Keys != 0 || state.Err == nil {
			t.Errorf("the state is %+v", state)
		}
		down.Store(false)
		time.Sleep(10 * time.Minute) // longer than the longest wait between attempts
		must[*Claims](t)(v.Verify(t.Context(), fresh()))
	})
}

func TestKeyFilesAreReadAgainWhenTheyChange(t *testing.T) {
	old, next := edKey(t, "old"), edKey(t, "next")
	name := file(t, []byte(jwks(t, old)))
	synctest.Test(t, func(t *testing.T) {
		v := must[*Verifier](t)(New(Options{Keys: []Key{{File: name}}}))
		defer v.Close()
		write := func(text string) {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * DefaultFileInterval)
		}
		must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), old))))
		write(jwks(t, old, next))
		must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), next))))
		write(`{"keys":[`) // half written
		must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), old))))
		write(jwks(t, next))
		refused(t, v, must[string](t)(Mint(good(), old)), ErrUnknownKey)
	})
}

func TestCloseEndsALoadUnderWay(t *testing.T) {
	server := serveKeys(t, edKey(t, "a"))
	server.handle(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	v := must[*Verifier](t)(New(Options{Keys: []Key{{URL: server.url}}, Timeout: time.Hour}))
	eventually(t, "the request", func() bool { return server.asked.Load() > 0 })
	v.Close() // hangs if it does not
}

// trip answers requests without a network.
type trip func(*http.Request) *http.Response

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func TestRedirectionsLeadKeysOverNoNetworkUnprotected(t *testing.T) {
	const plain, other, local = "http://keys.example.com/", "https://keys.example.com/", "http://127.0.0.1:1/"
	for _, c := range []struct {
		from, to string
		followed bool
	}{
		{other, "https://elsewhere.example.com/", true},
		{other, plain, false},
		{other, local, false},
		{local, "http://localhost:2/", true},
		{local, other, true},
		{local, plain, false},
		{plain, "http://elsewhere.example.com/", true}, // which AllowHTTP has asked for
	} {
		followed := false
		client := boundedClient(&http.Client{Transport: trip(func(r *http.Request) *http.Response {
			if r.URL.String() == c.from {
				return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {c.to}}, Body: http.NoBody, Request: r}
			}
			followed = true
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}
		})})
		if response, err := client.Get(c.from); err == nil {
			response.Body.Close()
		}
		if followed != c.followed {
			t.Errorf("from %s to %s was followed: %v", c.from, c.to, followed)
		}
	}
}

func TestKeysOfSizesThatAreNotTakenDoNotSpoilASet(t *testing.T) {
	k := edKey(t, "good")
	public := string(must[[]byte](t)(k.PublicJWK()))
	token := must[string](t)(Mint(good(), k))
	for _, bits := range []int{1024, 8200, 16384} {
		modulus := encode(append([]byte{0xff}, make([]byte, bits/8-1)...))
		log, said := logger()
		server := serveKeys(t)
		server.say(`{"keys":[{"kty":"RSA","kid":"bad","use":"sig","n":"` + modulus + `","e":"AQAB"},` + public + `]}`)
		v := verifier(t, Options{Keys: []Key{{URL: server.url}}, Timeout: patience, Log: log})
		must[*Claims](t)(v.Verify(t.Context(), token))
		eventually(t, "the log's naming the key", func() bool { return strings.Contains(said.String(), "number 1: ") })
		if _, _, err := parseJWKs([]byte(`{"keys":[{"kty":"RSA","n":"`+modulus+`","e":"AQAB"}]}`), "", false); err == nil {
			t.Errorf("%d bits: a set without any key that is taken was taken", bits)
		}
	}
}
