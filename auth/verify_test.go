package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// signers has one key of each algorithm, made once, because RSA takes its time.
var signers = sync.OnceValue(func() map[string]*SigningKey {
	all := map[string]*SigningKey{}
	for _, algorithm := range Algorithms() {
		k, err := GenerateKey(algorithm, "key-"+algorithm)
		if err != nil {
			panic(err)
		}
		all[algorithm] = k
	}
	return all
})

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// file writes a file for the test and returns its name.
func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// verifier makes one that is closed with the test.
func verifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	v := must[*Verifier](t)(New(o))
	t.Cleanup(v.Close)
	return v
}

// secretVerifier takes tokens of the HS256 signer.
func secretVerifier(t testing.TB, o Options) *Verifier {
	k := signers()[HS256]
	o.Keys = append(o.Keys, Key{ID: k.ID(), Secret: Secret(k.private.([]byte))})
	return verifier(t, o)
}

// good is claims that a verifier without wishes takes.
func good() *Claims {
	now := time.Now()
	return &Claims{User: "alice", Session: "login-1", ID: "token-1", IssuedAt: now, Expires: now.Add(time.Hour)}
}

// silent fails the test if text shows a part of a token or a secret.
func silent(t *testing.T, text, token string) {
	t.Helper()
	for part := range strings.SplitSeq(token, ".") {
		if len(part) >= 8 && strings.Contains(text, part) {
			t.Errorf("%q shows a part of the token", text)
		}
	}
	secret := signers()[HS256].private.([]byte)
	for _, shape := range []string{string(secret), encode(secret), base64.StdEncoding.EncodeToString(secret), fmt.Sprintf("%x", secret)} {
		if strings.Contains(text, shape) {
			t.Errorf("%q shows the secret", text)
		}
	}
}

// refused fails the test unless the token is refused for that reason, in a sentence without a part of it.
func refused(t *testing.T, v *Verifier, token string, reason Reason) {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	if !errors.Is(err, reason) {
		t.Errorf("refused with %v, want %s", err, reason)
	}
	if err != nil {
		silent(t, err.Error(), token)
	}
}

func TestEveryAlgorithmAndKeyFileVerifies(t *testing.T) {
	for _, algorithm := range Algorithms() {
		k := signers()[algorithm]
		token := must[string](t)(Mint(good(), k))
		public, private := k.PublicJWK, k.PrivateJWK
		files := map[string]func() ([]byte, error){
			"private JWK": private,
			"JWKS": func() ([]byte, error) {
				one, err := private()
				return fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-521"},{"kty":"RSA","use":"enc"},%s]}`, one), err
			},
		}
		if algorithm != HS256 {
			files["public JWK"], files["public PEM"], files["private PEM"] = public, k.PublicPEM, k.PrivatePEM
		}
		for name, content := range files {
			t.Run(algorithm+" "+name, func(t *testing.T) {
				v := verifier(t, Options{Keys: []Key{{File: file(t, must[[]byte](t)(content()))}}})
				c := must[*Claims](t)(v.Verify(t.Context(), token))
				if c.User != "alice" || c.Session != "login-1" || c.ID != "token-1" {
					t.Errorf("claims %+v", c)
				}
				changed := strings.Split(token, ".")
				changed[1] = encode([]byte(`{"sub":"root","iat":1,"exp":99999999999}`))
				refused(t, v, strings.Join(changed, "."), ErrSignature)
			})
		}
	}
}

func TestSigningKeysSurviveTheirFiles(t *testing.T) {
	for algorithm, k := range signers() {
		for _, write := range []func() ([]byte, error){k.PrivateJWK, k.PrivatePEM} {
			content, err := write()
			if err != nil && algorithm == HS256 {
				continue
			}
			again := must[*SigningKey](t)(ParseSigningKey(content, k.ID()))
			if !sameKeys([]key{again.key}, []key{k.key}) {
				t.Errorf("%s: another key came back", algorithm)
			}
			if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, again); strings.Contains(text, "0x") || len(text) > 200 {
				t.Errorf("a signing key prints as %s", text)
			}
		}
	}
}

func TestSecretFilesLoseTheirLineFeed(t *testing.T) {
	secret := strings.Repeat("s", 32)
	v := verifier(t, Options{Keys: []Key{{SecretFile: file(t, []byte(secret+"\n"))}}})
	k := must[*SigningKey](t)(NewSigningKey("", []byte(secret)))
	must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), k))))
}

func TestBadTokensAreRefusedWithTheirReason(t *testing.T) {
	v := secretVerifier(t, Options{Issuer: "https://us", Audience: "realtime"})
	k := signers()[HS256]
	header := fmt.Sprintf(`{"alg":"HS256","kid":%q}`, k.ID())
	now := time.Now().Unix()
	payload := func(fields string) string {
		return fmt.Sprintf(`{"iss":"https://us","aud":["x","realtime"],"iat":%d,"exp":%d,%s}`, now, now+60, fields)
	}
	raw := func(header, payload string) string {
		return must[string](t)(k.sign([]byte(header), []byte(payload)))
	}
	claims := func(change func(*Claims)) string {
		c := good()
		c.Issuer, c.Audience = "https://us", []string{"realtime"}
		change(c)
		return must[string](t)(Mint(c, k))
	}
	must[*Claims](t)(v.Verify(t.Context(), raw(header, payload(`"sub":"alice"`))))
	fine := raw(header, payload(`"sub":"alice"`))
	for _, test := range []struct {
		name   string
		token  string
		reason Reason
	}{
		{"empty", "", ErrMalformed},
		{"words", "let me in", ErrMalformed},
		{"two parts", "e30.e30", ErrMalformed},
		{"four parts", fine + ".e30", ErrMalformed},
		{"padding", strings.Replace(fine, ".", "=.", 1), ErrMalformed},
		{"a line feed inside", fine[:10] + "\n" + fine[10:], ErrMalformed},
		{"standard base64", "+/+/." + fine, ErrMalformed},
		{"cut off", fine[:len(fine)-3], ErrSignature},
		{"too large", fine + strings.Repeat("A", DefaultMaxToken), ErrTooLarge},
		{"a header that is a list", raw(`[]`, payload(`"sub":"a"`)), ErrMalformed},
		{"a header with alg twice", raw(`{"alg":"none","alg":"HS256"}`, payload(`"sub":"a"`)), ErrMalformed},
		{"critical extensions", raw(`{"alg":"HS256","crit":["b64"],"b64":false}`, payload(`"sub":"a"`)), ErrMalformed},
		{"a key id that is a number", raw(`{"alg":"HS256","kid":7}`, payload(`"sub":"a"`)), ErrMalformed},
		{"a long key id", raw(`{"alg":"HS256","kid":"`+strings.Repeat("k", 256)+`"}`, payload(`"sub":"a"`)), ErrMalformed},
		{"alg none", encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(payload(`"sub":"a"`))) + ".", ErrAlgorithm},
		{"alg None", raw(`{"alg":"nOnE"}`, payload(`"sub":"a"`)), ErrAlgorithm},
		{"no alg", raw(`{}`, payload(`"sub":"a"`)), ErrAlgorithm},
		{"ALG", raw(`{"ALG":"HS256"}`, payload(`"sub":"a"`)), ErrAlgorithm},
		{"HS512", raw(`{"alg":"HS512"}`, payload(`"sub":"a"`)), ErrAlgorithm},
		{"an algorithm without key", raw(`{"alg":"ES256"}`, payload(`"sub":"a"`)), ErrAlgorithm},
		{"another algorithm than the key's", raw(`{"alg":"RS256","kid":"key-HS256"}`, payload(`"sub":"a"`)), ErrAlgorithm},
		{"key id injection", raw(`{"alg":"HS256","kid":"../../dev/null' OR 1=1 --"}`, payload(`"sub":"a"`)), ErrUnknownKey},
		{"a key that the token brings", raw(`{"alg":"HS256","kid":"mine","jwk":{"kty":"oct","k":"AAAA"},"jku":"http://127.0.0.1:1/"}`, payload(`"sub":"a"`)), ErrUnknownKey},
		{"a payload that is no JSON", raw(header, `sub=alice`), ErrMalformed},
		{"JSON and more", raw(header, payload(`"sub":"a"`)+"{}"), ErrMalformed},
		{"invalid UTF-8", raw(header, payload("\"sub\":\"a\xff\"")), ErrMalformed},
		{"sub twice", raw(header, payload(`"sub":"a","sub":"root"`)), ErrMalformed},
		{"sub twice in disguise", raw(header, payload(`"sub":"a","s\u0075b":"root"`)), ErrMalformed},
		{"a channel twice", raw(header, payload(`"sub":"a","channels":{"x":[],"x":["publish"]}`)), ErrMalformed},
		{"deep nesting", raw(header, payload(`"sub":"a","info":`+strings.Repeat("[", 500)+strings.Repeat("]", 500))), ErrMalformed},
		{"a list as sub", raw(header, payload(`"sub":["a"]`)), ErrMalformed},
		{"null as sub", raw(header, payload(`"sub":null`)), ErrMalformed},
		{"no sub", raw(header, payload(`"SUB":"root"`)), ErrSubject},
		{"an empty sub", raw(header, payload(`"sub":""`)), ErrSubject},
		{"control characters in sub", raw(header, payload(`"sub":"a\u001b[2J"`)), ErrSubject},
		{"half a surrogate in sub", raw(header, payload(`"sub":"a\ud800"`)), ErrSubject},
		{"a long sub", raw(header, payload(`"sub":"`+strings.Repeat("a", 256)+`"`)), ErrSubject},
		{"a line feed in jti", raw(header, payload(`"sub":"a","jti":"\n"`)), ErrMalformed},
		{"a time in milliseconds", raw(header, fmt.Sprintf(`{"sub":"a","exp":%d}`, now*1000)), ErrMalformed},
		{"a time as text", raw(header, `{"sub":"a","exp":"1"}`), ErrMalformed},
		{"null as a time", raw(header, `{"sub":"a","exp":null}`), ErrMalformed},
		{"a negative time", raw(header, `{"sub":"a","exp":-1}`), ErrMalformed},
		{"a time beyond numbers", raw(header, `{"sub":"a","exp":1e999}`), ErrMalformed},
		{"expired", claims(func(c *Claims) { c.Expires = time.Now().Add(-time.Minute) }), ErrExpired},
		{"not before", claims(func(c *Claims) { c.NotBefore = time.Now().Add(time.Minute * 2) }), ErrNotYet},
		{"issued in the future", claims(func(c *Claims) { c.IssuedAt = time.Now().Add(time.Minute * 2) }), ErrNotYet},
		{"forever", claims(func(c *Claims) { c.Expires = time.Time{} }), ErrLifetime},
		{"no time of issue", claims(func(c *Claims) { c.IssuedAt = time.Time{} }), ErrLifetime},
		{"two days", claims(func(c *Claims) { c.Expires = c.IssuedAt.Add(48 * time.Hour) }), ErrLifetime},
		{"a foreign issuer", claims(func(c *Claims) { c.Issuer = "https://them" }), ErrIssuer},
		{"no issuer", claims(func(c *Claims) { c.Issuer = "" }), ErrIssuer},
		{"a foreign audience", claims(func(c *Claims) { c.Audience = []string{"billing"} }), ErrAudience},
		{"no audience", claims(func(c *Claims) { c.Audience = nil }), ErrAudience},
		{"a number as audience", raw(header, `{"sub":"a","aud":1}`), ErrMalformed},
		{"an unknown right", raw(header, payload(`"sub":"a","channels":{"x":["publsh"]}`)), ErrGrants},
		{"rights that are no list", raw(header, payload(`"sub":"a","channels":{"x":"publish"}`)), ErrGrants},
		{"channels as a list", raw(header, payload(`"sub":"a","channels":["x"]`)), ErrGrants},
		{"null as channels", raw(header, payload(`"sub":"a","channels":null`)), ErrGrants},
		{"a broken pattern", raw(header, payload(`"sub":"a","channels":{"[":["publish"]}`)), ErrGrants},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, v, test.token, test.reason) })
	}
}

func TestAnAudienceIsRefusedByAServerWithoutName(t *testing.T) {
	c := good()
	c.Audience = []string{"billing"}
	refused(t, secretVerifier(t, Options{}), must[string](t)(Mint(c, signers()[HS256])), ErrAudience)
}

func TestLeewayAndLifetimeAreBoundsOfTheirOptions(t *testing.T) {
	k := signers()[HS256]
	late := good()
	late.Expires, late.IssuedAt = time.Now().Add(-10*time.Second), time.Now().Add(-time.Hour)
	token := must[string](t)(Mint(late, k))
	must[*Claims](t)(secretVerifier(t, Options{}).Verify(t.Context(), token))
	refused(t, secretVerifier(t, Options{Leeway: -1}), token, ErrExpired)

	forever := must[string](t)(Mint(&Claims{User: "sensor"}, k))
	refused(t, secretVerifier(t, Options{MaxTTL: -1}), forever, ErrLifetime)
	v := secretVerifier(t, Options{MaxTTL: -1, AllowForever: true})
	if c := must[*Claims](t)(v.Verify(t.Context(), forever)); !v.Ends(c).IsZero() {
		t.Error("a token without end ends")
	}
}

func TestAPublicKeyIsNoSecret(t *testing.T) {
	rsa := signers()[RS256]
	pem := must[[]byte](t)(rsa.PublicPEM())
	forger := &SigningKey{key{algorithm: HS256, id: rsa.ID()}, pem}
	for id, reason := range map[string]Reason{"": ErrUnknownKey, rsa.ID(): ErrAlgorithm} {
		v := verifier(t, Options{Keys: []Key{{ID: id, File: file(t, pem)}}})
		refused(t, v, must[string](t)(Mint(good(), forger)), reason)
	}
	for _, k := range []Key{{Secret: Secret(pem)}, {SecretFile: file(t, pem)}} {
		if v, err := New(Options{Keys: []Key{k}}); err == nil {
			v.Close()
			t.Error("a PEM file was taken for a secret")
		}
	}
}

func TestKeysWithoutIDAnswerToEveryID(t *testing.T) {
	k := signers()[HS256]
	v := verifier(t, Options{Keys: []Key{{Secret: Secret(k.private.([]byte))}}})
	must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), k))))
}

func TestTokensWithoutKeyIDTryFewKeys(t *testing.T) {
	var keys []Key
	for i := range maxTries + 1 {
		keys = append(keys, Key{ID: fmt.Sprint(i), Secret: Secret(strings.Repeat(fmt.Sprint(i), 32))})
	}
	k := must[*SigningKey](t)(NewSigningKey("", []byte(strings.Repeat("8", 32))))
	token := must[string](t)(Mint(good(), k))
	refused(t, verifier(t, Options{Keys: keys}), token, ErrUnknownKey)
	must[*Claims](t)(verifier(t, Options{Keys: keys[1:]}).Verify(t.Context(), token))
}

func TestBadConfigurationsAreExplained(t *testing.T) {
	weak := `{"kty":"RSA","n":"` + encode(bytes.Repeat([]byte{255}, 128)) + `","e":"AQAB"}`
	secret := Secret(strings.Repeat("s", 32))
	for _, test := range []struct {
		name     string
		options  Options
		sentence string
	}{
		{"no key", Options{}, "there is no key"},
		{"an empty key", Options{Keys: []Key{{ID: "a"}}}, "exactly one"},
		{"two in one", Options{Keys: []Key{{Secret: secret, File: "x"}}}, "exactly one"},
		{"a short secret", Options{Keys: []Key{{Secret: "hunter2"}}}, "the secret has 7 bytes; take 32 or more"},
		{"plain http", Options{Keys: []Key{{URL: "http://keys.example/"}}}, "use https"},
		{"no URL", Options{Keys: []Key{{URL: "keys.example"}}}, "write it as https://"},
		{"no file", Options{Keys: []Key{{File: filepath.Join(t.TempDir(), "none")}}}, "no such file"},
		{"an empty file", Options{Keys: []Key{{File: file(t, nil)}}}, "is empty"},
		{"a secret as a key file", Options{Keys: []Key{{File: file(t, []byte("correct horse battery staple"))}}}, "secret file"},
		{"a cut PEM file", Options{Keys: []Key{{File: file(t, []byte("-----BEGIN PUBLIC KEY-----\nAAAA"))}}}, "cut off"},
		{"a huge file", Options{Keys: []Key{{File: file(t, bytes.Repeat([]byte("x"), maxFile+1))}}}, "more than"},
		{"a weak RSA key", Options{Keys: []Key{{File: file(t, []byte(weak))}}}, "1024 bits"},
		{"a point beside the curve", Options{Keys: []Key{{File: file(t, []byte(`{"kty":"EC","crv":"P-256","x":"`+encode(make([]byte, 32))+`","y":"`+encode(make([]byte, 32))+`"}`))}}}, "not on the curve"},
		{"an algorithm of its own", Options{Keys: []Key{{File: file(t, []byte(`{"kty":"oct","alg":"HS512","k":"`+encode(make([]byte, 64))+`"}`))}}}, "HS512"},
		{"forever, bounded", Options{AllowForever: true, Keys: []Key{{Secret: secret}}}, "MaxTTL"},
		{"negative bounds", Options{Timeout: -1, Keys: []Key{{Secret: secret}}}, "Timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := New(test.options)
			if err == nil {
				v.Close()
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), test.sentence) {
				t.Errorf("%v; want %q in it", err, test.sentence)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), string(secret)) {
				t.Errorf("%v shows the secret", err)
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	k := Key{ID: "id", Secret: "hunter2-hunter2-hunter2-hunter2-"}
	log, logged := logger()
	log.Info("x", "key", k, "secret", k.Secret, "keys", []Key{k})
	inJSON, _ := json.Marshal(k)
	text := fmt.Sprintf("%v %+v %#v %s %q %x %d", k, k, k, k.Secret, k.Secret, k.Secret, k.Secret) + fmt.Sprintf("%+v", []Key{k}) + logged.String() + string(inJSON)
	if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74") {
		t.Errorf("the secret is printed: %s", text)
	}
}

func TestInspectListsEveryProblem(t *testing.T) {
	c := good()
	c.Issuer, c.Expires, c.IssuedAt = "them", time.Now().Add(-time.Hour), time.Now().Add(-72*time.Hour)
	token := must[string](t)(Mint(c, signers()[HS256]))
	i := must[*Inspection](t)(Inspect(token, Options{Issuer: "us", Audience: "realtime"}))
	var reasons []Reason
	for _, err := range i.Problems {
		reasons = append(reasons, ReasonOf(err))
		silent(t, err.Error(), token)
	}
	if got := fmt.Sprint(reasons); got != fmt.Sprint([]Reason{ErrExpired, ErrLifetime, ErrIssuer, ErrAudience}) {
		t.Errorf("problems %s", got)
	}
	if i.Algorithm != HS256 || i.KeyID != "key-HS256" || i.Claims.User != "alice" || i.Payload == nil {
		t.Errorf("inspection %+v", i)
	}
}
