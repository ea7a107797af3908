// The journal: what the log is told of clients, in one form for all gateways.

package line

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/internal/sparing"
	"github.com/ringdown/ringdown/websocket"
)

// Journal writes a line for each refusal ("refused") and each end of a session that stayed ("closed"): who, the cause in words, and
// what to do about it. Clients that go by themselves, and those that a shutdown ends, are told of at level Debug, all else at Info. It
// may be used from any goroutine.
//
// What ends, and who is not let in, is told to the hub as well ([hub.Hub.Told]), whatever the log's level.
//
// Whoever wants to fill a disk has requests refused, so refusals have a bound, which all clients of a gateway share; at level Debug there
// is none.
type Journal struct {
	hub      *hub.Hub
	log      *slog.Logger
	refusals sparing.Lines
}

// NewJournal returns a journal of what happens to the clients of h, kept in a log; nil means slog.Default.
func NewJournal(h *hub.Hub, log *slog.Logger) *Journal {
	return &Journal{hub: h, log: cmp.Or(log, slog.Default())}
}

// Request notes that a request was refused. The session is "" if there was none yet.
func (j *Journal) Request(r *http.Request, session string, err error) {
	values := []any{"remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path}
	if origin := r.Header.Get("Origin"); origin != "" {
		values = append(values, "origin", origin)
	}
	if session != "" {
		values = append(values, "session", session)
	}
	err = refusedHandshake(err)
	j.notLetIn(r.RemoteAddr, transportOf(r), err)
	j.refused(values, err)
}

// transportOf is what a request that was refused would have become, as far as its head tells.
func transportOf(r *http.Request) string {
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return "websocket"
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		return "sse"
	case r.Method == http.MethodPost:
		return "post"
	}
	return "poll"
}

func (j *Journal) notLetIn(remote, transport string, err error) {
	r, _ := hub.RefusalOf(err)
	j.hub.Told(hub.Ending{Refused: true, Remote: remote, Transport: transport, Code: r.Code, Cause: err.Error()})
}

// refusedHandshake gives the refusals of package websocket, which has none of our codes, the nearest.
func refusedHandshake(err error) error {
	h, ok := errors.AsType[*websocket.HandshakeError](err)
	switch {
	case !ok:
		return err
	case h.Status == http.StatusForbidden:
		return hub.Errorf(hub.ForeignOrigin, "%s", h.Reason)
	}
	return hub.Errorf(hub.BadRequest, "%s", h.Reason)
}

// Session notes that something was refused to a session, which goes on.
func (j *Journal) Session(s *hub.Session, err error) { j.refused(about(s, nil), err) }

// Connect notes that a client was not let into a namespace of its protocol.
func (j *Journal) Connect(remote, namespace string, err error) {
	j.notLetIn(remote, "engine.io", err)
	j.refused([]any{"remote", remote, "namespace", namespace}, err)
}

func (j *Journal) refused(values []any, err error) {
	if !j.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	unlogged := 0
	if !j.log.Enabled(context.Background(), slog.LevelDebug) {
		var ok bool
		if unlogged, ok = j.refusals.Due(); !ok {
			return
		}
	}
	values = append(values, hub.Explain(err)...)
	if unlogged > 0 {
		values = append(values, "unlogged", unlogged)
	}
	j.log.Info("refused", values...)
}

// Ended notes that the server ends a session. remote may be nil; code is that of the Close frame, 0 where there is none.
func (j *Journal) Ended(s *hub.Session, remote net.Addr, code websocket.StatusCode, cause error) {
	level := slog.LevelInfo
	if errors.Is(cause, hub.ErrShutdown) { // which ends them all
		level = slog.LevelDebug
	}
	refusal := Refusal(cause)
	j.hub.Told(hub.Ending{Session: s, Remote: addressOf(s, remote), Code: refusal.Code, Close: int(code), Cause: refusal.Error()})
	j.closed(level, s, remote, code, hub.Explain(refusal))
}

// Gone notes that a client has gone, by itself or because the line broke. The reason in its Close frame is its own affair.
func (j *Journal) Gone(s *hub.Session, remote net.Addr, err error) {
	cause, cure := "the client has gone", "none is needed, unless many go at once: then look at the proxies and networks between"
	level, code, by := slog.LevelDebug, max(websocket.CloseStatus(err), 0), hub.ByClient
	switch {
	case errors.Is(err, websocket.ErrKeepAlive):
		level, by, cause = slog.LevelInfo, hub.ByNetwork, "the client did not answer a ping in time"
		cure = "look whether its network is there; behind proxies that hold pings back raise keep_alive.timeout"
	case code == 0 && s.Connection().Transport != "websocket" && hungUp(err): // this is how clients of plain HTTP go
	case code == 0:
		by, cause = hub.ByNetwork, "the line to the client broke"
	}
	j.hub.Told(hub.Ending{Session: s, Remote: addressOf(s, remote), By: by, Silent: errors.Is(err, websocket.ErrKeepAlive), Close: int(code), Cause: cause})
	j.closed(level, s, remote, code, []any{"cause", cause, "cure", cure})
}

// hungUp tells whether the client's end of the line was closed, rather than lost.
func hungUp(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (j *Journal) closed(level slog.Level, s *hub.Session, remote net.Addr, code websocket.StatusCode, why []any) {
	if !j.log.Enabled(context.Background(), level) {
		return
	}
	values := about(s, remote)
	if code != 0 {
		values = append(values, "close", int(code))
	}
	j.log.Log(context.Background(), level, "closed", append(values, why...)...)
}

// about is who a session is.
func about(s *hub.Session, remote net.Addr) []any {
	values := []any{"session", s.ID()}
	if user := s.User(); user != "" {
		values = append(values, "user", user)
	}
	return append(values, "remote", addressOf(s, remote))
}

// addressOf is the address of the client, also where proxies are between. remote may be nil.
func addressOf(s *hub.Session, remote net.Addr) string {
	if remote == nil {
		remote = unknown(s.Connection().Remote)
	}
	address := remote.String()
	if at, err := netip.ParseAddrPort(address); s.Address().IsValid() && (err != nil || at.Addr().Unmap() != s.Address().Unmap()) {
		return netip.AddrPortFrom(s.Address(), 0).String() // as it is told of requests
	}
	return address
}

// unknown is the address of a connection that is not there, in the words of its gateway.
type unknown string

func (unknown) Network() string  { return "" }
func (u unknown) String() string { return cmp.Or(string(u), "gone") }
