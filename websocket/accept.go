// The server's side of the opening handshake (RFC 6455 §4.2).

package websocket

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/handshake"
	"github.com/ringdown/ringdown/websocket/wire"
)

// AcceptOptions are the choices of a server. The zero value, or nil, is safe: pages of the same origin and programs that
// are no browsers, messages up to 1 MiB, keep-alive on, no compression.
type AcceptOptions struct {
	// Subprotocols that the server speaks, the ones it likes best first. The first that the client offers too is agreed
	// on; if there is none, none is (RFC 6455 §4.2.2).
	Subprotocols []string

	// Origins are the pages that may connect besides those of the server's own origin, which is the same scheme, host and
	// port. An entry is an exact origin, "https://app.example:8443", or a pattern for its host, "*.example.com". Clients
	// that send no Origin are no browsers and always may (RFC 6455 §10.2).
	Origins []string

	// OriginList, if it is not nil, is asked instead of Origins: a list that can change while the server runs.
	OriginList *OriginList

	// Secure tells whether the client of a request came over TLS, for servers that a proxy which ends TLS stands before: their own
	// origin is then https. It must believe nobody but that proxy. nil goes by the connection, http.Request.TLS.
	Secure func(*http.Request) bool

	// AnyOrigin lets pages of every origin connect, with the cookies of whoever visits them. It is right only for servers
	// that do not go by cookies, client certificates or the client's place in the network.
	AnyOrigin bool

	// Header holds fields to add to the answer. What middleware has set on the http.ResponseWriter is added too.
	Header http.Header

	// MaxHeaderBytes is how large the request's header may be, in bytes. 0 means 8 KiB.
	MaxHeaderBytes int

	Compression Compression
	Limits      Limits
	KeepAlive   KeepAlive

	// CorkBursts makes the answers to a burst leave in one system call: while the reader still has received bytes to hand
	// out, what is written waits, until they are used up or 16 KiB have gathered. It suits programs that answer at once
	// and read on; one that stops reading in the middle of a burst would leave its last writes waiting.
	CorkBursts bool
}

const (
	defaultHeaderBytes = 8 << 10
	answerTimeout      = 10 * time.Second // for writing the 101 answer
)

// Accept answers the opening handshake of a request and returns the connection. On a request that it refuses it has
// answered with a status and a sentence that says what to change, and returns a [*HandshakeError]; the handler then just
// returns.
//
// It takes the connection over from the HTTP server, through any middleware whose ResponseWriter has an Unwrap method
// (see [http.ResponseController]). The server's time-outs no longer hold for it, nor does the request's context, which
// ends when the handler returns.
//
// A handler that goes on with the connection keeps the HTTP server's goroutine, with the stack and the buffers that it
// has grown: some 15 KB. [Handler] does not.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	a, err := NewAcceptor(opts)
	if err != nil {
		http.Error(w, "the server's WebSocket options are wrong; its log says more", http.StatusInternalServerError)
		return nil, err
	}
	return a.Accept(w, r)
}

// Handler returns an http.Handler that accepts each request and runs serve with the connection on a goroutine of its
// own, so that an idle connection holds nothing but what it needs. When serve returns, the connection is closed with
// 1000 if it is still open. A panic of serve is logged to the HTTP server's log, and the connection closed with 1011.
//
// It panics if an entry of Origins is malformed. A serve that needs the request is for [Acceptor.Serve].
func Handler(serve func(*Conn), opts *AcceptOptions) http.Handler {
	a, err := NewAcceptor(opts)
	if err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Serve(w, r, serve) })
}

// run is the goroutine of a connection.
func run(serve func(*Conn), c *Conn, errors *log.Logger) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			errors.Printf("websocket: panic serving %v: %v\n%s", c.RemoteAddr(), p, debug.Stack())
			c.Close(StatusInternalError, "")
			return
		}
		c.Close(StatusNormalClosure, "")
	}()
	serve(c)
}

// serverLog is where the HTTP server of r logs.
func serverLog(r *http.Request) *log.Logger {
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		return s.ErrorLog
	}
	return log.Default()
}

// Acceptor is AcceptOptions made ready to be used again and again: for handlers that call Accept for each request and want
// their options checked once, at the start.
type Acceptor struct {
	opts    AcceptOptions
	origins *OriginList
	set     *settings
}

// NewAcceptor checks opts, which may be nil, and makes them ready. The error tells a malformed origin.
func NewAcceptor(opts *AcceptOptions) (*Acceptor, error) {
	a := new(Acceptor)
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.MaxHeaderBytes <= 0 {
		a.opts.MaxHeaderBytes = defaultHeaderBytes
	}
	if a.origins = a.opts.OriginList; a.origins == nil {
		a.origins = new(OriginList)
		if err := a.origins.Set(a.opts.Origins); err != nil {
			return nil, fmt.Errorf("websocket: AcceptOptions.Origins: %w", err)
		}
	}
	a.set = newSettings(wire.Server, a.opts.Compression, a.opts.Limits, a.opts.KeepAlive, a.opts.CorkBursts)
	return a, nil
}

// Accept is [Accept] with a's options.
func (a *Acceptor) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	u, err := a.upgrade(w, r)
	if err != nil {
		return nil, err
	}
	return newConn(u, a.set), nil
}

// Serve accepts r and runs serve on a goroutine of its own, as [Handler] does, for handlers that take something from the
// request first. It returns as soon as the handshake is over; after an error the request has been answered.
func (a *Acceptor) Serve(w http.ResponseWriter, r *http.Request, serve func(*Conn)) error {
	c, err := a.Accept(w, r)
	if err != nil {
		return err
	}
	go run(serve, c, serverLog(r))
	return nil
}

// CheckOrigin tells whether the page that sent r may use the server, by the rule that [Acceptor.Accept] goes by: nil if it may,
// otherwise a [*HandshakeError] with the sentence that says what to list. It is for the plain requests of a server that wants them
// held to the same origins as its WebSockets.
func (a *Acceptor) CheckOrigin(r *http.Request) error {
	if a.opts.AnyOrigin {
		return nil
	}
	if refusal := a.origins.check(r, a.secure(r)); refusal != nil {
		return &HandshakeError{Status: refusal.Status, Reason: refusal.Reason}
	}
	return nil
}

// secure tells whether the client came over TLS.
func (a *Acceptor) secure(r *http.Request) bool {
	if a.opts.Secure != nil {
		return a.opts.Secure(r)
	}
	return r.TLS != nil
}

// Check is for servers that want to know that r is sound before they do what costs something or can be seen by others. It answers r,
// and returns a [*HandshakeError], if [Acceptor.Accept] would refuse its handshake or its origin; otherwise it does nothing.
func (a *Acceptor) Check(w http.ResponseWriter, r *http.Request) error {
	if _, _, refusal := a.negotiate(r); refusal != nil {
		return refuse(w, refusal)
	}
	return nil
}

func refuse(w http.ResponseWriter, refusal *handshake.Refusal) error {
	handshake.WriteRefusal(w, refusal)
	return &HandshakeError{Status: refusal.Status, Reason: refusal.Reason}
}

// upgrade does the opening handshake.
func (a *Acceptor) upgrade(w http.ResponseWriter, r *http.Request) (*bridge.Upgraded, error) {
	subprotocol, agreed, refusal := a.negotiate(r)
	if refusal != nil {
		return nil, refuse(w, refusal)
	}
	extensions := ""
	if agreed != nil {
		extensions = agreed.String()
	}
	answer, err := handshake.AppendResponse(nil, r.Header.Get("Sec-WebSocket-Key"), subprotocol, extensions, w.Header(), a.opts.Header)
	if err != nil {
		return nil, refuseInternal(w, err)
	}
	nc, early, err := hijack(w)
	if err != nil {
		return nil, refuseInternal(w, err)
	}
	if err := writeAnswer(nc, answer); err != nil {
		nc.Close()
		return nil, &HandshakeError{Reason: "the answer could not be written: " + err.Error(), cause: err}
	}
	u := &bridge.Upgraded{NetConn: nc, Early: early, Subprotocol: subprotocol}
	a.set.agreeOn(u, agreed)
	return u, nil
}

// negotiate judges the request and settles what is agreed on.
func (a *Acceptor) negotiate(r *http.Request) (subprotocol string, agreed *deflate.Params, refusal *handshake.Refusal) {
	if refusal = handshake.CheckRequest(r, a.opts.MaxHeaderBytes); refusal != nil {
		return "", nil, refusal
	}
	if !a.opts.AnyOrigin {
		if refusal = a.origins.check(r, a.secure(r)); refusal != nil {
			return "", nil, refusal
		}
	}
	offered, err := handshake.ParseSubprotocols(r.Header)
	if err != nil {
		return "", nil, &handshake.Refusal{Status: http.StatusBadRequest, Reason: err.Error()}
	}
	extensions, err := handshake.ParseExtensions(r.Header)
	if err != nil {
		return "", nil, &handshake.Refusal{Status: http.StatusBadRequest, Reason: err.Error()}
	}
	return handshake.ChooseSubprotocol(a.opts.Subprotocols, offered), chooseDeflate(extensions, a.set.compression.Mode), nil
}

// chooseDeflate agrees to the first offer of permessage-deflate that it can keep (RFC 7692 §5).
func chooseDeflate(offers []handshake.Extension, mode CompressionMode) *deflate.Params {
	if mode == CompressionOff {
		return nil
	}
	for _, offer := range offers {
		if offer.Name != deflate.Name {
			continue
		}
		if agreed, ok := deflate.Answer(deflateParams(offer), mode.mode()); ok {
			return &agreed
		}
	}
	return nil
}

func deflateParams(e handshake.Extension) []deflate.Param {
	params := make([]deflate.Param, len(e.Params))
	for i, p := range e.Params {
		params[i] = deflate.Param(p)
	}
	return params
}

func refuseInternal(w http.ResponseWriter, err error) error {
	http.Error(w, "the connection cannot become a WebSocket; the server's log says why", http.StatusInternalServerError)
	return &HandshakeError{Status: http.StatusInternalServerError, Reason: err.Error(), cause: err}
}

// hijack takes the connection out of the HTTP server's hands, with what the client has sent behind its request.
func hijack(w http.ResponseWriter) (net.Conn, []byte, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("the http.ResponseWriter cannot be hijacked (a middleware that wraps it needs an Unwrap method): %w", err)
	}
	return nc, buffered(rw.Reader), nil
}

// buffered is what r has read ahead, copied.
func buffered(r *bufio.Reader) []byte {
	if r.Buffered() == 0 {
		return nil
	}
	ahead, _ := r.Peek(r.Buffered()) // cannot fail: it is there
	return append([]byte(nil), ahead...)
}

// writeAnswer writes the 101 answer, and takes off the deadlines that the HTTP server may have set.
func writeAnswer(nc net.Conn, answer []byte) error {
	if err := nc.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := nc.Write(answer); err != nil {
		return err
	}
	return nc.SetDeadline(time.Time{})
}
