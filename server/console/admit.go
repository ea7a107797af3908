// Who is let in: the token, pages of other origins, and those who guess.

package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/proxy"
)

// request is one that was let in.
type request struct{ *http.Request }

// admitted answers with serve whoever may ask; serve has answered nothing yet if it returns an error.
func (c *Handler) admitted(serve func(http.ResponseWriter, *request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := c.admit(r)
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			err = serve(w, &request{r})
		}
		if err != nil {
			c.refuse(w, r, err)
		}
	})
}

// admit tells whether a request may be answered.
func (c *Handler) admit(r *http.Request) error {
	if foreign(r) {
		return hub.Errorf(hub.ForeignOrigin, "pages of the origin %.100q may not use the console; open it at the node's own address", r.Header.Get("Origin"))
	}
	from := proxy.From(r).Address
	if !c.failures.may(from, time.Now()) {
		return hub.Errorf(hub.RateLimited, "too many wrong tokens came from %v; wait a few seconds", from)
	}
	given := r.Header["Authorization"]
	if len(given) != 1 {
		return hub.Errorf(hub.Unauthorized, "the request has %d Authorization headers; send one, as Authorization: Bearer <token>", len(given))
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return hub.Errorf(hub.Unauthorized, "the Authorization header is not of the scheme Bearer; send Authorization: Bearer <token>")
	}
	if !same(strings.TrimSpace(token), c.options.Token) {
		c.failures.note(from, time.Now())
		return hub.Errorf(hub.Unauthorized, "this is not the console's token; it is what console.token says, and in dev mode the node writes the console's address with it when it starts")
	}
	return nil
}

// same compares with the token in a time that tells nothing of it, its length included.
func same(given, token string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return len(token) >= MinToken && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// foreign tells whether a page of another origin has made the request. Browsers that tell where a request comes from are asked that;
// scheme and port of the node's own origin are not always known behind proxies.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return false
	}
	origin, err := url.Parse(origins[0])
	return len(origins) > 1 || err != nil || origin.Host == "" || !strings.EqualFold(origin.Host, r.Host)
}

// What an address may get wrong: so many at once, and then one in each pause. Beyond maxFailing addresses all others share one place, so
// that a crowd that guesses takes no memory.
const (
	failuresAtOnce = 5
	failurePause   = time.Second
	maxFailing     = 4096
)

// failures counts wrong tokens by address. The zero value is ready.
type failures struct {
	mu sync.Mutex
	// by address: when all failures will be forgiven. Those of addresses that are forgiven go when there are many.
	until map[netip.Prefix]time.Time
	swept time.Time // when they last went
}

// may tells whether an address may try once more.
func (f *failures) may(from netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until[f.place(from)].Sub(now) <= (failuresAtOnce-1)*failurePause
}

// note counts a wrong token.
func (f *failures) note(from netip.Addr, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.until) >= maxFailing && now.Sub(f.swept) >= failurePause {
		f.swept = now
		for at, forgiven := range f.until {
			if !forgiven.After(now) {
				delete(f.until, at)
			}
		}
	}
	if f.until == nil {
		f.until = make(map[netip.Prefix]time.Time)
	}
	at := f.place(from)
	start := f.until[at]
	if start.Before(now) {
		start = now
	}
	f.until[at] = start.Add(failurePause)
}

// place is where an address is counted: IPv6 by /64. Called with the lock.
func (f *failures) place(from netip.Addr) netip.Prefix {
	bits := 32
	if from = from.Unmap().WithZone(""); from.Is6() {
		bits = 64
	}
	at, _ := from.Prefix(bits) // that of no address is none
	if _, known := f.until[at]; !known && len(f.until) >= maxFailing {
		return netip.Prefix{}
	}
	return at
}
