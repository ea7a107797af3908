// WebSocket: is the connection switched, and do frames pass both ways?

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// subprotocol is that of the native protocol.
const subprotocol = "ringdown.v1.json"

// passUpgrade is the remedy for proxies that answer in place of the node, or strip the request.
var passUpgrade = remedy{
	nginx:   "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; (with the map of deploy/nginx.conf)",
	haproxy: "mode http passes Upgrade by itself; take out http-request del-header for Upgrade or Connection, and option httpclose of old versions",
	caddy:   "reverse_proxy passes Upgrade by itself; take out header_up that changes Upgrade or Connection",
}

// line is an open WebSocket whose bytes are counted.
type line struct {
	*websocket.Conn
	response *http.Response
	took     time.Duration
	heard    *heard
}

// heard is when something last came over a connection, be it a frame that the program never sees.
type heard struct {
	times atomic.Int64 // reads that brought something
	last  atomic.Int64 // when, in Unix nanoseconds
}

// dialling is what is particular about an attempt.
type dialling struct {
	origin  string
	noToken bool
	path    []string // empty is /connect
}

// dial opens a WebSocket. The response, if there is one, comes with an error, too.
func (e *examination) dial(ctx context.Context, d dialling) (*line, *http.Response, error) {
	if len(d.path) == 0 {
		d.path = []string{"connect"}
	}
	u := e.target.at(nil, d.path...)
	u.Scheme = map[bool]string{false: "ws", true: "wss"}[e.target.secure]
	l := &line{heard: &heard{}}
	options := &websocket.DialOptions{
		Header:           http.Header{},
		TLSConfig:        e.tls,
		MaxRedirects:     -1,
		HandshakeTimeout: e.Timeout,
		DialContext:      l.heard.dial,
		Proxy:            func(*url.URL) (*url.URL, error) { return nil, nil }, // as requests do
		Compression:      websocket.Compression{Mode: websocket.CompressionNoTakeover},
		Limits:           websocket.Limits{CloseTimeout: time.Second},
	}
	if d.path[0] == "connect" {
		options.Subprotocols = []string{subprotocol}
	}
	e.sign(options.Header, e.withToken && !d.noToken)
	if d.origin != "" {
		options.Header.Set("Origin", d.origin)
	}
	start := time.Now()
	conn, response, err := websocket.Dial(ctx, u.String(), options)
	if err != nil {
		return nil, response, err
	}
	l.Conn, l.response, l.took = conn, response, time.Since(start)
	return l, response, nil
}

// dial is a DialContext whose connections are listened to.
func (h *heard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tap{conn, h}, nil
}

// tap is a connection that notes when something comes.
type tap struct {
	net.Conn
	*heard
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if n > 0 {
		t.times.Add(1)
		t.last.Store(time.Now().UnixNano())
	}
	return n, err
}

// upgrade opens a WebSocket at /connect, and at the channel's own URL if that was named.
func (e *examination) upgrade(ctx context.Context) {
	l, response, err := e.dial(ctx, dialling{})
	if err != nil {
		e.notUpgraded("websocket", response, err)
		return
	}
	defer l.CloseNow()
	extensions := l.response.Header.Get("Sec-WebSocket-Extensions")
	compression := "without compression"
	if extensions != "" {
		compression = "with " + quoted(extensions)
	}
	if l.Subprotocol() == subprotocol {
		e.ok("websocket", "Upgrade was passed on and answered with 101 (%s), %s, %s", brief(l.took), subprotocol, compression)
	} else {
		e.warn("websocket", "101, but without the subprotocol "+subprotocol+" that was asked for", "let proxies pass Sec-WebSocket-Protocol on, both ways")
	}
	e.frames(ctx, l)
	if e.target.channel == "" {
		return
	}
	raw, response, err := e.dial(ctx, dialling{path: []string{"channels", e.target.channel}})
	if err != nil {
		e.notUpgraded("websocket", response, err)
		return
	}
	raw.CloseNow()
	e.ok("websocket", "Upgrade was passed on for /channels/%s, too", e.target.channel)
}

// notUpgraded says why a handshake came to nothing.
func (e *examination) notUpgraded(step string, response *http.Response, err error) {
	reason := err.Error()
	if failed, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		reason = quoted(failed.Reason)
	}
	if response == nil {
		e.fail(step, "the handshake got no answer: "+reason,
			"plain requests are answered, so something between here and the node cannot stand Upgrade (a firewall, an old proxy); use TLS, which most of them cannot look into; "+e.cure(passUpgrade))
		return
	}
	a := &answer{status: response.StatusCode, header: response.Header}
	if response.StatusCode != http.StatusSwitchingProtocols {
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, longestSentence*4))
	}
	body := string(a.body)
	switch {
	case a.status == http.StatusSwitchingProtocols:
		e.fail(step, "the answer is 101, but a broken one: "+reason, "something between here and the node changes the answer; "+e.cure(passUpgrade))
	case a.problem() != nil:
		e.refused(step, "the handshake", a)
	case strings.Contains(body, "came over HTTP/1.0"):
		e.fail(step, "a proxy speaks HTTP/1.0 to the node, over which no WebSocket can be opened: "+a.said(), e.cure(passUpgrade))
	case a.status == http.StatusUpgradeRequired, a.status == http.StatusOK, a.status == http.StatusBadRequest && strings.Contains(body, "Upgrade"):
		e.fail(step, "Upgrade was not passed on: a proxy strips it from the request; the node answered with "+a.said(), e.cure(passUpgrade))
	case a.status == http.StatusHTTPVersionNotSupported:
		e.fail(step, "a proxy speaks HTTP/2 to the node, over which no WebSocket is opened: "+a.said(), "let it speak HTTP/1.1 to the node")
	default:
		e.refused(step, "the handshake", a)
	}
}

// command is what passes in both directions over the native protocol, as far as the doctor speaks it.
type command struct {
	Type    string    `json:"type"`
	ID      string    `json:"id,omitempty"`
	Token   string    `json:"token,omitempty"`
	Padding string    `json:"padding,omitempty"` // fields that are not known are ignored
	User    string    `json:"user,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Code    string    `json:"code,omitempty"`
	Message string    `json:"message,omitempty"`
}

// paddedFrame is more than fits a packet, and less than any limit on messages.
const paddedFrame = 16 << 10

// frames has frames pass in both directions.
func (e *examination) frames(ctx context.Context, l *line) {
	welcome, err := e.hear(ctx, l, "welcome")
	if err != nil {
		e.fail("frames", "101 was answered, and then no frame of the node arrived: "+e.ending(err)+"; a proxy that does not know WebSockets lets the handshake pass and nothing after it",
			"let it pass bytes both ways once it has seen 101; "+e.cure(passUpgrade))
		return
	}
	if e.withToken && e.user != "" && welcome.User == "" {
		e.warn("frames", "the node does not see the token that was sent as Authorization", "let proxies pass Authorization on for WebSockets")
	}
	start := time.Now()
	if err := e.echo(ctx, l, command{Type: "ping", ID: "doctor"}); err != nil {
		e.fail("frames", "frames arrive from the node, but none at it: "+e.ending(err), "let the proxy pass bytes both ways once it has seen 101")
		return
	}
	trip := time.Since(start)
	if err := e.echo(ctx, l, command{Type: "ping", ID: "doctor-large", Padding: strings.Repeat("x", paddedFrame)}); err != nil {
		e.fail("frames", fmt.Sprintf("small frames pass, one of %d bytes does not: %s", paddedFrame, e.ending(err)),
			"something between here and the node looks into frames or has a wrong MTU; use TLS, and look at the MTU of tunnels on the way")
		return
	}
	e.ok("frames", "pass both ways, small and large (round trip %s)", brief(trip))
	l.Close(websocket.StatusNormalClosure, "")
}

// echo sends a ping of the protocol and waits for its answer.
func (e *examination) echo(ctx context.Context, l *line, c command) error {
	if err := e.say(ctx, l, c); err != nil {
		return err
	}
	_, err := e.hear(ctx, l, "pong")
	return err
}

func (e *examination) say(ctx context.Context, l *line, c command) error {
	ctx, cancel := e.within(ctx)
	defer cancel()
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return l.Write(ctx, websocket.Text, text)
}

// hear waits for a message of one of the types, and passes over others.
func (e *examination) hear(ctx context.Context, l *line, types ...string) (c command, err error) {
	ctx, cancel := e.within(ctx)
	defer cancel()
	for {
		_, text, err := l.Read(ctx)
		if err != nil {
			return c, err
		}
		c = command{}
		if json.Unmarshal(text, &c) != nil {
			return c, fmt.Errorf("the server said %q, which is not Ringdown's protocol", quoted(string(text)))
		}
		for _, wanted := range types {
			if c.Type == wanted {
				return c, nil
			}
		}
	}
}

// ending is why a connection ended, in words.
func (e *examination) ending(err error) string {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return fmt.Sprintf("closed with %v %s", closed.Code, quoted(closed.Reason))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("nothing came within %s", e.Timeout)
	}
	return quoted(err.Error())
}
