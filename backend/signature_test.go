package backend_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
)

const (
	secret      backend.Secret = "correct horse battery staple"
	otherSecret backend.Secret = "a second one, for rotation"
)

// vector was computed with openssl: printf '1767366245.{"hook":"connect"}' | openssl dgst -sha256 -hmac 'correct horse battery staple'
const (
	vectorBody = `{"hook":"connect"}`
	vectorTime = 1767366245
	vector     = "t=1767366245,v1=baa0c62f66f797759b633bc7810884dfc5089003d80c1d4edff029febff58c01"
)

func TestASignatureIsHMACOverTimeAndBody(t *testing.T) {
	if got := backend.Sign([]byte(vectorBody), time.Unix(vectorTime, 0), secret); got != vector {
		t.Errorf("got %s", got)
	}
}

func TestSignaturesThatAreTakenAndRefused(t *testing.T) {
	body, at := []byte(vectorBody), time.Unix(vectorTime, 0)
	both := backend.Sign(body, at, secret, otherSecret)
	cases := map[string]struct {
		header  string
		body    string
		after   time.Duration
		secrets []backend.Secret
		want    string // in the error; "" if it is taken
	}{
		"as it was made":                 {vector, vectorBody, 0, []backend.Secret{secret}, ""},
		"within the tolerance":           {vector, vectorBody, 5 * time.Minute, []backend.Secret{secret}, ""},
		"by a clock that is ahead":       {vector, vectorBody, -5 * time.Minute, []backend.Secret{secret}, ""},
		"the sender has a new secret":    {both, vectorBody, 0, []backend.Secret{otherSecret}, ""},
		"the receiver has a new secret":  {vector, vectorBody, 0, []backend.Secret{otherSecret, secret}, ""},
		"with what the future brings":    {vector + ",v2=abc,x", vectorBody, 0, []backend.Secret{secret}, ""},
		"replayed":                       {vector, vectorBody, 5*time.Minute + time.Second, []backend.Secret{secret}, "clocks"},
		"from the future":                {vector, vectorBody, -6 * time.Minute, []backend.Secret{secret}, "clocks"},
		"another body":                   {vector, vectorBody + " ", 0, []backend.Secret{secret}, "none of the 1 secrets"},
		"another time":                   {strings.Replace(vector, "245,", "246,", 1), vectorBody, 0, []backend.Secret{secret}, "none of the 1 secrets"},
		"another secret":                 {vector, vectorBody, 0, []backend.Secret{otherSecret}, "none of the 1 secrets"},
		"no secret":                      {vector, vectorBody, 0, nil, "none of the 0 secrets"},
		"an empty secret":                {vector, vectorBody, 0, []backend.Secret{""}, "at least 16"},
		"none":                           {"", vectorBody, 0, []backend.Secret{secret}, "no Ringdown-Signature"},
		"without time":                   {vector[strings.Index(vector, "v1"):], vectorBody, 0, []backend.Secret{secret}, "t=seconds"},
		"two times":                      {vector + ",t=1767366245", vectorBody, 0, []backend.Secret{secret}, "once"},
		"a time that is none":            {"t=-1" + vector[12:], vectorBody, 0, []backend.Secret{secret}, "seconds since 1970"},
		"only a time":                    {vector[:12], vectorBody, 0, []backend.Secret{secret}, "t=seconds"},
		"cut short":                      {vector[:len(vector)-2], vectorBody, 0, []backend.Secret{secret}, "64 hexadecimal"},
		"not hexadecimal":                {vector[:len(vector)-1] + "g", vectorBody, 0, []backend.Secret{secret}, "64 hexadecimal"},
		"more signatures than are tried": {vector + strings.Repeat(","+vector[13:], 8), vectorBody, 0, []backend.Secret{secret}, "at most 8"},
		"endless":                        {vector + strings.Repeat(",", 2000), vectorBody, 0, []backend.Secret{secret}, "bytes"},
	}
	for name, c := range cases {
		err := backend.Check(c.header, []byte(c.body), at.Add(c.after), c.secrets, 0)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, backend.ErrSignature) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyReadsABodyOnceAndLeavesItReadable(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(vectorBody))
	r.Header.Set(backend.SignatureHeader, backend.Sign([]byte(vectorBody), time.Now(), secret))
	body, err := backend.Verify(r, []backend.Secret{secret}, 0)
	if err != nil || string(body) != vectorBody {
		t.Fatal(string(body), err)
	}
	var again map[string]string
	if err := json.NewDecoder(r.Body).Decode(&again); err != nil || again["hook"] != "connect" {
		t.Error(again, err)
	}
	r = httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", backend.MaxRequest+1)))
	if _, err := backend.Verify(r, []backend.Secret{secret}, 0); err == nil {
		t.Error("an endless body was taken")
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "list", []backend.Secret{secret})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "list", []backend.Secret{secret})
	asJSON, _ := json.Marshal(map[string]any{"s": secret, "o": struct{ S []backend.Secret }{[]backend.Secret{secret}}})
	shown := log.String() + string(asJSON) + fmt.Sprintf("%v %s %q %x %#v %+v %d", secret, secret, secret, secret, secret, backend.HooksOptions{Secrets: []backend.Secret{secret}}, secret)
	if strings.Contains(shown, "horse") || strings.Contains(shown, fmt.Sprintf("%x", "horse")) {
		t.Error(shown)
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestNothingIsReadOfARequestWhoseSignatureCannotBeRight(t *testing.T) {
	for _, header := range []string{"", "t=1", "t=1,v1=00", "t=1,v1=" + strings.Repeat("0", 64)} { // the last one is of 1970
		r := httptest.NewRequest("POST", "/", unread{t})
		r.Header.Set(backend.SignatureHeader, header)
		if body, err := backend.Verify(r, []backend.Secret{secret}, 0); !errors.Is(err, backend.ErrSignature) || body != nil {
			t.Errorf("%q: %q, %v", header, body, err)
		}
	}
}
