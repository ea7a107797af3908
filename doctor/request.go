// The first request, from which much is learned: who answers, whether it is a node, and what time it is there. Then polls.

package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What two clocks may be apart: for tokens of a few minutes some seconds matter, and a minute is too much.
const (
	clockNoticed = 10 * time.Second
	clockTooFar  = time.Minute
)

// longReads is the remedy for lines that are cut because they are quiet.
var longReads = remedy{
	nginx:   "proxy_read_timeout 120s; proxy_send_timeout 120s; (60s by default)",
	haproxy: "timeout tunnel 120s for WebSockets, timeout server 120s and timeout client 120s for event streams and polls",
	caddy:   "leave out the time-outs of reverse_proxy's transport, but for dial_timeout",
}

// request asks for what is kept in the channel, without the token, which has a step of its own.
func (e *examination) request(ctx context.Context) bool {
	ctx, cancel := e.within(ctx)
	defer cancel()
	a, err := e.ask(ctx, http.MethodGet, e.target.at(url.Values{"limit": {"1"}}, "channels", e.Channel), nil)
	if err != nil {
		e.fail("http", fmt.Sprintf("no answer: %v", err), unanswered(err))
		return false
	}
	var who string
	e.front, who = identify(a.header)
	e.trip = a.took
	text := fmt.Sprintf("%s %d in %s; %s", a.proto, a.status, brief(a.took), who)
	if a.status >= 500 {
		e.warn("http", text, e.statusCure(a))
	} else {
		e.ok("http", "%s", text)
	}
	e.clock(a)
	return true
}

// clock compares clocks. The Date may be that of a proxy.
func (e *examination) clock(a *answer) {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		e.warn("clock", "the answer has no date; the clock there was not looked at", "let proxies pass the Date field on")
		return
	}
	apart := date.Add(500 * time.Millisecond).Sub(a.when) // it is cut to whole seconds
	words := "ahead of"
	if apart < 0 {
		apart, words = -apart, "behind"
	}
	text := fmt.Sprintf("the clock there is %s %s this machine's", brief(apart), words)
	switch {
	case apart > clockTooFar:
		e.fail("clock", text, "set both by NTP (timedatectl set-ntp true): tokens count as expired or not yet valid otherwise")
	case apart > clockNoticed:
		e.warn("clock", text, "set both by NTP (timedatectl set-ntp true): tokens of short life suffer")
	default:
		e.ok("clock", "the clock there and here agree to %s", brief(max(apart, time.Second)))
	}
}

// ready asks whether the node wants clients.
func (e *examination) ready(ctx context.Context) bool {
	ctx, cancel := e.within(ctx)
	defer cancel()
	a, err := e.ask(ctx, http.MethodGet, e.target.at(nil, "readyz"), nil)
	switch {
	case err != nil:
		e.fail("ready", fmt.Sprintf("no answer: %v", err), unanswered(err))
	case a.status == http.StatusServiceUnavailable:
		e.fail("ready", "not ready: "+quoted(strings.TrimPrefix(string(a.body), "not ready\n")), "wait if the node is about to stop; otherwise its log says more")
	case a.status != http.StatusOK:
		e.fail("ready", "/readyz was answered with "+a.said(), e.statusCure(a))
	default:
		e.ok("ready", "the node is ready (%s)", brief(a.took))
	}
	return err == nil
}

// polled is the answer to a poll.
type polled struct {
	Messages []json.RawMessage `json:"messages"`
	Cursor   string            `json:"cursor"`
}

// poll asks for what is there now.
func (e *examination) poll(ctx context.Context) {
	ctx, cancel := e.within(ctx)
	defer cancel()
	a, err := e.ask(ctx, http.MethodGet, e.target.at(url.Values{"limit": {"1"}}, "channels", e.Channel), nil)
	if err != nil {
		e.fail("poll", fmt.Sprintf("no answer: %v", err), unanswered(err))
		return
	}
	var p polled
	switch {
	case a.status != http.StatusOK:
		e.refused("poll", "GET of the channel "+e.Channel, a)
		return
	case json.Unmarshal(a.body, &p) != nil || p.Messages == nil:
		e.fail("poll", "what answers is no Ringdown node: "+a.said(), e.statusCure(&answer{status: http.StatusNotFound}))
		return
	case cached(a.header) != "":
		e.fail("poll", "a cache answered ("+cached(a.header)+"): clients see old publications", "let the cache pass /channels/ by; the node says Cache-Control: no-store")
		return
	}
	e.cursor = p.Cursor
	e.ok("poll", "the node answers for the channel %s (%s)", e.Channel, brief(a.took))
}

// shortWait is how long the poll waits that only is to show that it does.
const shortWait = time.Second

// longPoll asks for what comes.
func (e *examination) longPoll(ctx context.Context) {
	if e.cursor == "" {
		return // there is no node, or it refuses
	}
	ctx, cancel := context.WithTimeout(ctx, shortWait+e.Timeout)
	defer cancel()
	a, p, err := e.wait(ctx, shortWait)
	switch {
	case err != nil:
		e.fail("long poll", fmt.Sprintf("no answer: %v", err), unanswered(err))
	case a.status != http.StatusOK:
		e.refused("long poll", "GET with ?wait=", a)
	case len(p.Messages) == 0 && a.took < shortWait/2:
		e.warn("long poll", fmt.Sprintf("answered after %s with nothing, without waiting", brief(a.took)),
			"let proxies pass the query of the URL on; or the node is shutting down")
	default:
		e.ok("long poll", "waited, and was answered after %s", brief(a.took))
	}
}

// wait is one long poll from where the channel is.
func (e *examination) wait(ctx context.Context, long time.Duration) (a *answer, p polled, err error) {
	query := url.Values{"after": {e.cursor}, "wait": {long.String()}}
	if a, err = e.ask(ctx, http.MethodGet, e.target.at(query, "channels", e.Channel), nil); err == nil {
		json.Unmarshal(a.body, &p) // an answer of another kind has another status, or no messages
	}
	return a, p, err
}
