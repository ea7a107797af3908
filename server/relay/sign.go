// The word of one node to another about whose request it is.

package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/server/proxy"
)

// header is the field with the client and the signature: version, time, client and signature, separated by spaces.
const header = "Ringdown-Relayed"

const (
	formVersion = "1"
	// drift is how far the clocks of nodes may be off, and how long a request can be repeated by who has seen it.
	drift   = time.Minute
	maxWord = 2 << 10 // bytes
)

// client is a [proxy.Client] on its way.
type client struct {
	Address netip.Addr `json:"a"`
	Scheme  string     `json:"s"`
	Host    string     `json:"h"`
	Proxied bool       `json:"p"`
}

// sign is the value of the header field.
func (r *Relay) sign(q *http.Request, c proxy.Client, now time.Time) string {
	text, _ := json.Marshal(client(c)) // cannot fail
	word := fmt.Sprint(formVersion, " ", now.UnixMilli(), " ", base64.RawURLEncoding.EncodeToString(text))
	return word + " " + base64.RawURLEncoding.EncodeToString(r.mac(q.Method, q.URL.RequestURI(), q.Host, word))
}

func (r *Relay) mac(method, uri, host, word string) []byte {
	m := hmac.New(sha256.New, r.options.Secret)
	fmt.Fprintf(m, "ringdown relay\n%s\n%s\n%s\n%s", method, uri, host, word)
	return m.Sum(nil)
}

var errWord = errors.New("it does not carry the word of a node; the nodes need the same secret (broker.cluster.secret_file)")

// verify is the client of a request that another node has passed on.
func (r *Relay) verify(q *http.Request, now time.Time) (proxy.Client, error) {
	value := q.Header.Get(header)
	at := strings.LastIndexByte(value, ' ')
	if at < 0 || len(value) > maxWord || len(q.Header.Values(header)) > 1 {
		return proxy.Client{}, errWord
	}
	word := value[:at]
	signature, err := base64.RawURLEncoding.DecodeString(value[at+1:])
	if err != nil || !hmac.Equal(signature, r.mac(q.Method, q.URL.RequestURI(), q.Host, word)) {
		return proxy.Client{}, errWord
	}
	parts := strings.Split(word, " ")
	if len(parts) != 3 || parts[0] != formVersion {
		return proxy.Client{}, errWord
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	if d := now.Sub(time.UnixMilli(ms)).Abs(); err != nil || d > drift {
		return proxy.Client{}, fmt.Errorf("it was signed %v ago; set the clocks of the nodes", d.Round(time.Second))
	}
	var c client
	text, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return proxy.Client{}, errWord
	}
	return proxy.Client(c), nil
}
