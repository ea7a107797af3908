// Transports: the ways for commands of the native protocol to the server, and for its messages back. Whatever goes over the network, it
// looks like that protocol from here.

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Transport is a way to the server.
type Transport string

// The transports. Without a WebSocket a client has no more than 32 subscriptions, neither [Client.Call] nor [Client.Presence], and no
// session's name.
const (
	WebSocket   Transport = "websocket"
	EventStream Transport = "sse"  // Server-Sent Events, and POST
	LongPolling Transport = "poll" // and POST
)

// wire is one connection, or what stands for one.
type wire interface {
	// read waits for the server's next message. The error is the wire's end. One goroutine may call it.
	read() (*heard, error)
	// write sends commands, each a JSON object, in their order. One goroutine may call it.
	write(commands [][]byte) error
	// close ends the wire as the other side likes it, closeNow at once. Both end read and write.
	close()
	closeNow()
}

// transport opens wires.
type transport struct {
	name Transport
	// open returns when the other side has accepted the connection, which does not mean that anything passes.
	open func(ctx context.Context, to *route) (wire, error)
	// greeting is how long it may take from there until something has passed both ways. Some proxies let a handshake pass and
	// nothing after it.
	greeting time.Duration
}

// route is how to get to the server.
type route struct {
	address
	dial  websocket.DialOptions
	alive func() // to be called when something comes that is no message
}

const (
	opening  = 10 * time.Second // for a WebSocket to be accepted
	greeting = 5 * time.Second
)

var everyTransport = []transport{
	{WebSocket, openSocket, greeting},
	{EventStream, openEventStream, opening + greeting},
	{LongPolling, openPolling, opening + greeting},
}

// transportsNamed are those of the names, in their order; all for none.
func transportsNamed(names []Transport) ([]transport, error) {
	if len(names) == 0 {
		return everyTransport, nil
	}
	var all []transport
	for _, name := range names {
		i := slices.IndexFunc(everyTransport, func(t transport) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("client: there is no transport %q; use websocket, sse or poll", string(name))
		}
		all = append(all, everyTransport[i])
	}
	return all, nil
}

// address is where a server is.
type address struct {
	socket string  // URL of its /connect
	base   url.URL // of what is beside it; http or https
	unix   string  // path of a Unix socket, or ""
}

// addressOf takes http for ws and https for wss, as people copy addresses from their browser.
func addressOf(raw string) (address, error) {
	a := address{socket: raw}
	for web, socket := range map[string]string{"http": "ws", "https": "wss"} {
		if rest, ok := strings.CutPrefix(raw, web+":"); ok {
			a.socket = socket + ":" + rest
		}
	}
	u, err := url.Parse(a.socket)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err // without the URL, which may hold a password
		}
		return a, fmt.Errorf("client: the address cannot be read: %w", err)
	}
	scheme, unix := strings.CutSuffix(u.Scheme, "+unix")
	if u.Scheme = map[string]string{"ws": "http", "wss": "https"}[scheme]; u.Scheme == "" {
		return a, fmt.Errorf("client: the address %s is not that of a server; begin it with wss:// or https://", u.Redacted())
	}
	if unix { // ws+unix:///run/app.sock:/connect
		a.unix, u.Path, _ = strings.Cut(u.Path, ":")
		u.Host, u.RawPath = "localhost", ""
	}
	u.Path = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/connect"), "/")
	u.RawPath = ""
	a.base = *u
	return a, nil
}

// name is the address without what may be secret.
func (a *address) name() string {
	u := url.URL{Scheme: a.base.Scheme, Host: a.base.Host, Path: a.base.Path}
	return u.String() + a.unix
}

// at is the URL of a resource, whose path is escaped, with the parameters that go with every request.
func (a *address) at(path string, parameters url.Values) string {
	query := []string{a.base.RawQuery, parameters.Encode()}
	u := a.base
	u.RawQuery = ""
	return strings.TrimSuffix(u.String()+path+"?"+strings.Trim(strings.Join(query, "&"), "&"), "?")
}

// socketWire is a WebSocket: messages and commands as they are.
type socketWire struct{ conn *websocket.Conn }

func openSocket(ctx context.Context, to *route) (wire, error) {
	dial := to.dial
	dial.Subprotocols = []string{Subprotocol}
	dial.HandshakeTimeout = cmp.Or(dial.HandshakeTimeout, opening)
	conn, response, err := websocket.Dial(ctx, to.socket, &dial)
	if err != nil {
		return nil, refused(response, err)
	}
	return socketWire{conn}, nil
}

func (w socketWire) read() (*heard, error) {
	_, message, err := w.conn.Read(context.Background())
	if err != nil {
		return nil, fmt.Errorf("client: listening to the server: %w", err)
	}
	h := new(heard)
	if err := unmarshal(message, h); err != nil {
		w.conn.Close(websocket.StatusInvalidPayload, "a message is not JSON of the protocol")
		return nil, err
	}
	return h, nil
}

func (w socketWire) write(commands [][]byte) error {
	for len(commands) > 0 {
		var message []byte
		message, commands = batch(commands)
		if err := w.conn.Write(context.Background(), websocket.Text, message); err != nil {
			return err
		}
	}
	return nil
}

func (w socketWire) close()    { w.conn.Close(websocket.StatusNormalClosure, "") }
func (w socketWire) closeNow() { w.conn.CloseNow() }

// Bounds of what is sent as one message. A server takes 100 commands and 256 KiB.
const (
	maxBatch      = 100
	maxBatchBytes = 64 << 10
)

// batch makes one message of as many commands as go together.
func batch(commands [][]byte) (message []byte, rest [][]byte) {
	n, size := 1, len(commands[0])
	for n < len(commands) && n < maxBatch && size+len(commands[n]) < maxBatchBytes {
		size += len(commands[n]) + 1
		n++
	}
	if n == 1 {
		return commands[0], commands[1:]
	}
	message = make([]byte, 0, size+2)
	for _, c := range commands[:n] {
		message = append(append(message, ','), c...)
	}
	message[0] = '['
	return append(message, ']'), commands[n:]
}

// authorized is a copy of a header, with a token.
func authorized(header http.Header, token string) http.Header {
	header = header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header
}
