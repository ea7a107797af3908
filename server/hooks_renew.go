// A token on an open connection: the service is asked about it as about a connection that is opened with it.

package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/hub"
)

// authenticate implements [hub.Options].Authenticate. What the connect hook decides holds for the token, too: whom it keeps out does not
// come in by showing a token later, and whom it has renamed or given rights keeps them when the token is renewed.
func (s *Server) authenticate(ctx context.Context, session *hub.Session, token string) (hub.Identity, error) {
	who, err := s.identities.authenticate(ctx, token)
	if err != nil || !s.service.asks(backend.Connect) {
		return who, err
	}
	header, _ := session.Identity().Opening.(http.Header)
	if err := s.service.connect(ctx, &who, clientOf(session), withToken(header, token)); err != nil {
		return hub.Identity{}, err
	}
	return who, nil
}

// shown names what of opening requests the service is shown, which is kept while a client may send a token that it has to be shown with.
type shown struct{ headers, cookies []string }

// of is a copy of what is shown of a request's header; nil if nothing is.
func (s shown) of(h http.Header) any {
	kept := make(http.Header)
	for _, name := range s.headers {
		for _, value := range h.Values(name) {
			kept.Add(name, strings.Clone(value)) // it is a part of the whole header
		}
	}
	r := http.Request{Header: h}
	for _, name := range s.cookies {
		if c, err := r.Cookie(name); err == nil {
			kept.Add("Cookie", c.String())
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// withToken is the header of a request with the token that the client has now, in place of that with which it came.
func withToken(h http.Header, token string) http.Header {
	scheme, _, _ := strings.Cut(h.Get("Authorization"), " ")
	if scheme != "" && !strings.EqualFold(scheme, "Bearer") { // for somebody else
		return h
	}
	if h = h.Clone(); h == nil {
		h = make(http.Header)
	}
	h.Set("Authorization", "Bearer "+token)
	return h
}
