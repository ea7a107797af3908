// The token: what it says of itself, and what the server says to it. It is never shown.

package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ringdown/ringdown/auth"
)

// shortLived is a life left that is over before a client has begun.
const shortLived = time.Minute

// token has the server judge the token. One that is refused is not sent any more, so that the steps that follow say something.
func (e *examination) token(ctx context.Context) {
	if e.Token == "" {
		return
	}
	e.inspect()
	if !e.secret {
		return
	}
	e.withToken = true
	bounded, cancel := e.within(ctx)
	defer cancel()
	a, err := e.ask(bounded, http.MethodGet, e.target.at(url.Values{"limit": {"1"}}, "channels", e.Channel), nil)
	switch {
	case err != nil:
		e.fail("token", fmt.Sprintf("a request with it got no answer: %v", err), unanswered(err))
	case a.status == http.StatusUnauthorized:
		e.withToken = false
		e.refused("token", "a request with it", a)
	case a.status >= 300 && a.problem() == nil:
		e.warn("token", "whether the node takes it cannot be told: a request with it was answered with "+a.said(), e.statusCure(a))
	case a.status >= 500:
		e.refused("token", "a request with it", a)
	default: // also where the node knows who asks, and refuses the channel
		e.authenticate(ctx)
	}
}

// inspect says what stands in the token, which anybody may have written.
func (e *examination) inspect() {
	found, err := auth.Inspect(e.Token, auth.Options{})
	if err != nil || found.Claims == nil {
		e.fail("token", "it is no token: three parts of base64 with dots between were expected (a JWT)", "look at what the file holds, with ringdown token inspect")
		return
	}
	e.user = found.Claims.User
	ends := found.Claims.Expires
	switch left := time.Until(ends); {
	case ends.IsZero():
		e.warn("token", fmt.Sprintf("for the user %q, without an end; nodes refuse such tokens", quoted(e.user)), "mint it with a time to live")
	case left < 0:
		e.fail("token", fmt.Sprintf("for the user %q, expired %s ago by this machine's clock", quoted(e.user), brief(-left)), "get a new one from the issuer")
	case left < shortLived:
		e.warn("token", fmt.Sprintf("for the user %q, expires in %s", quoted(e.user), brief(left)), "get a new one from the issuer, and let clients renew theirs in time")
	default:
		e.ok("token", "for the user %q, expires in %s", quoted(e.user), brief(left))
	}
}

// authenticate hands the token in as the first message, which no proxy can lose.
func (e *examination) authenticate(ctx context.Context) {
	l, _, err := e.dial(ctx, dialling{noToken: true})
	if err != nil {
		e.ok("token", "the node takes a request with it") // why no WebSocket opens, another step says
		return
	}
	defer l.CloseNow()
	if err := e.say(ctx, l, command{Type: "authenticate", ID: "token", Token: e.Token}); err != nil {
		e.warn("token", "it could not be sent as a message: "+e.ending(err), "see what is said of frames")
		return
	}
	said, err := e.hear(ctx, l, "authenticated", "error")
	switch {
	case err != nil:
		e.warn("token", "as a message it got no answer: "+e.ending(err), "see what is said of frames")
	case said.Type == "error":
		e.fail("token", fmt.Sprintf("the node refuses it as a message (%s: %s), but takes a request with it", quoted(said.Code), quoted(said.Message)),
			"if the node knows no keys it takes no tokens, and a proxy strips Authorization: give the node keys, and let proxies pass Authorization on")
	case said.Expires.IsZero():
		e.ok("token", "the node takes it, for the user %q", quoted(said.User))
	default:
		e.ok("token", "the node takes it, for the user %q, until %s", quoted(said.User), said.Expires.UTC().Format(time.RFC3339))
	}
}
