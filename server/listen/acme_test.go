package listen_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/server/listen"
)

// acmeServer is an authority that speaks as much of RFC 8555 as a client needs that does everything right: one account, one order at
// a time, and the challenge tls-alpn-01 (RFC 8737), which it checks. It believes signatures.
type acmeServer struct {
	*issuer
	*httptest.Server
	target string // where the hosts that ask for certificates are
	host   string // of the order
	proven atomic.Bool
	chain  []byte
	orders atomic.Int32
	nonces atomic.Int32
}

func newACME(t *testing.T) *acmeServer {
	a := &acmeServer{issuer: newIssuer(t)}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Server.Close)
	return a
}

func (a *acmeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Replay-Nonce", fmt.Sprint("nonce", a.nonces.Add(1)))
	var signed struct{ Payload string }
	json.NewDecoder(r.Body).Decode(&signed)
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	switch r.URL.Path {
	case "/":
		a.answer(w, 200, map[string]any{"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/order"})
	case "/nonce":
	case "/account":
		w.Header().Set("Location", a.URL+"/account/1")
		a.answer(w, 201, map[string]any{"status": "valid"})
	case "/order":
		var order struct{ Identifiers []struct{ Value string } }
		json.Unmarshal(payload, &order)
		a.host, a.chain = order.Identifiers[0].Value, nil
		a.proven.Store(false)
		a.orders.Add(1)
		w.Header().Set("Location", a.URL+"/order/1")
		a.answer(w, 201, a.order())
	case "/order/1":
		a.answer(w, 200, a.order())
	case "/authorization":
		a.answer(w, 200, map[string]any{"status": a.status("valid"), "identifier": a.identifier(), "challenges": []any{a.challenge()}})
	case "/challenge":
		a.proven.Store(a.prove())
		a.answer(w, 200, a.challenge())
	case "/finalize":
		var request struct{ CSR string }
		json.Unmarshal(payload, &request)
		der, _ := base64.RawURLEncoding.DecodeString(request.CSR)
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil || !a.proven.Load() {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		a.chain = a.sign(a.host, csr.PublicKey, inAnHour())
		w.Header().Set("Location", a.URL+"/order/1")
		a.answer(w, 200, a.order())
	case "/certificate":
		w.Write(a.chain)
	default:
		http.NotFound(w, r)
	}
}

func (a *acmeServer) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// status is what things are called once control of the host is proven.
func (a *acmeServer) status(proven string) string {
	if a.proven.Load() {
		return proven
	}
	return "pending"
}

func (a *acmeServer) identifier() any { return map[string]string{"type": "dns", "value": a.host} }

func (a *acmeServer) challenge() any {
	return map[string]any{"type": "tls-alpn-01", "url": a.URL + "/challenge", "token": "token", "status": a.status("valid")}
}

func (a *acmeServer) order() any {
	order := map[string]any{"status": a.status("ready"), "identifiers": []any{a.identifier()},
		"authorizations": []string{a.URL + "/authorization"}, "finalize": a.URL + "/finalize"}
	if a.chain != nil {
		order["status"], order["certificate"] = "valid", a.URL+"/certificate"
	}
	return order
}

// prove asks the host for the proof that it is under the client's control.
func (a *acmeServer) prove() bool {
	nc, err := tls.Dial("tcp", a.target, &tls.Config{ServerName: a.host, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		a.t.Log(err)
		return false
	}
	defer nc.Close()
	proof := nc.ConnectionState().PeerCertificates[0]
	for _, e := range proof.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) {
			return nc.ConnectionState().NegotiatedProtocol == "acme-tls/1"
		}
	}
	return false
}

func TestACertificateComesFromAnACMEAuthority(t *testing.T) {
	a, cache := newACME(t), t.TempDir()
	spec := listen.Spec{Address: "127.0.0.1:0", ACME: &listen.ACME{Hosts: []string{"chat.example.com"}, Cache: cache, Directory: a.URL, Email: "ops@example.com"}}
	get := func(l *listen.Listener) (string, error) {
		transport := &http.Transport{TLSClientConfig: a.client("chat.example.com"), ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://" + l.Addr().String() + "/")
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return string(body), err
	}
	serve := func() *listen.Listener {
		l := open(t, spec)[0]
		a.target = l.Addr().String()
		h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })}
		t.Cleanup(func() { h.Close() })
		go h.Serve(l)
		return l
	}
	l := serve()
	if got, err := get(l); got != "HTTP/2.0" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := tls.Dial("tcp", a.target, a.client("other.example.com")); err == nil {
		t.Error("a host that is not ours got a certificate")
	}
	if got := a.orders.Load(); got != 1 {
		t.Errorf("%d certificates were ordered", got)
	}
	l.Close()
	if got, err := get(serve()); got != "HTTP/2.0" || a.orders.Load() != 1 {
		t.Errorf("after a restart: %q, %v, %d orders", got, err, a.orders.Load())
	}
	if info, err := os.Stat(cache); err != nil || !info.IsDir() {
		t.Error(err)
	}
}

func TestChallengesAreAnsweredBesideTheSite(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the site") })
	plain := open(t, listen.Spec{Address: "127.0.0.1:0"})[0]
	withACME := open(t, listen.Spec{Address: "127.0.0.1:0", ACME: &listen.ACME{Hosts: []string{"chat.example.com"}, Cache: t.TempDir(), Directory: "http://127.0.0.1:1"}})[0]
	for _, c := range []struct {
		l      *listen.Listener
		path   string
		status int
		body   string
	}{
		{plain, "/.well-known/acme-challenge/x", 200, "the site"},
		{withACME, "/", 200, "the site"},
		{withACME, "/.well-known/acme-challenge/x", 404, ""},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://chat.example.com"+c.path, nil)
		c.l.Challenges(site).ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
}
