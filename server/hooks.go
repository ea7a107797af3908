// The user's own service: what it is asked before clients do things. Package backend does the asking; here it is tied to the hub.

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/internal/pattern"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/tracing"
)

// service is the user's own. Its zero value is none.
type service struct {
	hooks  *backend.Hooks  // nil if it is asked nothing
	events *backend.Events // nil if it is told nothing
	shown  shown
	log    *slog.Logger

	eventsStay bool // what was not delivered is in a directory
	secret     []backend.Secret
}

// observeHook counts what the service was asked. Nobody is before the node has its metrics.
func (s *Server) observeHook(hook backend.Hook, took time.Duration, err error) {
	s.admin.metrics.ObserveHook(hook, took, err)
}

// newService starts what the configuration says of the user's service.
func newService(c *config.Backend, tracer *tracing.Tracer, observe func(backend.Hook, time.Duration, error), log *slog.Logger) (*service, error) {
	s := &service{log: log, eventsStay: c.Events.Dir != "", shown: shown{c.ConnectHeaders, c.ConnectCookies}}
	hooks := hooksOf(c)
	if len(hooks) == 0 && c.Events.URL == "" {
		return s, nil
	}
	secret, err := secretOf(c)
	if err != nil {
		return nil, err
	}
	s.secret = secret
	if len(hooks) > 0 {
		o := backend.HooksOptions{Hooks: hooks, Secrets: secret, ConnectHeaders: c.ConnectHeaders, ConnectCookies: c.ConnectCookies,
			ConnectReuse: c.ConnectReuse, Observe: observe, Log: log}
		if tracer != nil {
			o.Trace, o.Wrap = tracer.Hook, tracer.Attempts
		}
		s.hooks, err = backend.NewHooks(o)
		if err != nil {
			return nil, err
		}
	}
	if c.Events.URL != "" {
		s.events, err = backend.NewEvents(backend.EventsOptions{URL: c.Events.URL, Secrets: secret, Dir: c.Events.Dir,
			MaxBytes: int64(c.Events.MaxBytes), Log: log})
		if err != nil {
			return nil, errors.Join(err, s.close(context.Background()))
		}
	}
	return s, nil
}

// hooksOf are the hooks that are configured.
func hooksOf(c *config.Backend) map[backend.Hook]backend.HookOptions {
	hooks := make(map[backend.Hook]backend.HookOptions)
	for hook, url := range map[backend.Hook]string{
		backend.Connect: c.Connect, backend.Subscribe: c.Subscribe, backend.Publish: c.Publish, backend.Call: c.Call, backend.Disconnect: c.Disconnect,
	} {
		if url == "" {
			continue
		}
		o := backend.HookOptions{URL: url, Timeout: c.Timeout, Retries: c.Retries, FailOpen: c.FailOpen && hook != backend.Call}
		if c.Retries == 0 {
			o.Retries = -1
		}
		hooks[hook] = o
	}
	return hooks
}

// minBackendSecret is as many bytes as the configuration asks of a secret, which cannot look into files.
const minBackendSecret = 32

// secretOf is what signs requests. A line feed at the end of its file is no part of it.
func secretOf(c *config.Backend) ([]backend.Secret, error) {
	if c.SecretFile == "" {
		return []backend.Secret{backend.Secret(c.Secret)}, nil
	}
	content, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("backend.secret_file cannot be read: %w", err)
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if len(secret) < minBackendSecret {
		return nil, fmt.Errorf("backend.secret_file %s holds %d bytes, which can be guessed; put %d or more there, with `openssl rand -base64 48`",
			c.SecretFile, len(secret), minBackendSecret)
	}
	return []backend.Secret{backend.Secret(secret)}, nil
}

// warnOfSecret tells the log if the file of the secret holds another one now, which a running node does not take.
func (s *service) warnOfSecret(c *config.Backend) {
	if c.SecretFile == "" || s.secret == nil {
		return
	}
	switch secret, err := secretOf(c); {
	case err != nil:
		s.log.Warn("the secret of the backend cannot be read again; the one of before stays until a restart, which would fail", "cause", err)
	case !slices.Equal(secret, s.secret):
		s.log.Warn("this change takes a restart: backend.secret_file holds another secret", "file", c.SecretFile)
	}
}

// asks reports whether a hook is configured.
func (s *service) asks(hook backend.Hook) bool { return s.hooks != nil && s.hooks.Asks(hook) }

// close ends the asking, then has the events delivered that wait, once the hub has no sessions any more.
func (s *service) close(ctx context.Context) (err error) {
	if s.hooks != nil {
		err = s.hooks.Close(ctx)
	}
	if s.events != nil {
		err = errors.Join(err, s.closeEvents(ctx))
	}
	return err
}

// closeEvents has the events delivered that wait. That they could not be is an error only where they are lost.
func (s *service) closeEvents(ctx context.Context) error {
	err := s.events.Close(ctx)
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case s.eventsStay:
		s.log.Warn("not all events were delivered; the next process does that", "cause", err)
		return nil
	}
	return fmt.Errorf("%w; see why backend.events.url does not take them, and name a directory in backend.events.dir for events to outlive a restart", err)
}

// abandon is close for a node that does not start. Events that wait in a folder stay there.
func (s *service) abandon() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if s != nil {
		s.close(over)
	}
}

// call answers the calls of clients; nil if nobody does.
func (s *service) call() hub.CallHandler {
	if !s.asks(backend.Call) {
		return nil
	}
	return func(ctx context.Context, session *hub.Session, call hub.Call) (hub.Kind, []byte, error) {
		answer, err := s.hooks.Call(ctx, backend.CallRequest{Client: clientOf(session), Method: call.Method, Channel: call.Channel,
			Data: backend.Payload{Kind: backend.Kind(call.Kind), Bytes: call.Payload}})
		if err != nil {
			return 0, nil, hookRefusal(err)
		}
		return hub.Kind(answer.Kind), answer.Bytes, nil
	}
}

// identified is how a gateway learns who a client is: by its token, then by the connect hook. protocol is what is spoken at the
// gateway, "" where that depends on the request.
func (s *Server) identified(protocol string) func(*http.Request) (hub.Identity, error) {
	if !s.service.asks(backend.Connect) {
		return s.identities.identify
	}
	return func(r *http.Request) (hub.Identity, error) {
		who, err := s.identities.identify(r)
		if err != nil {
			return who, err
		}
		client := backend.Client{Session: hub.NewSessionID(), Protocol: protocol}
		if protocol == "" {
			client.Protocol = protocolOf(r)
		}
		if who.Address.IsValid() {
			client.Remote = who.Address.String()
		}
		who.Session = client.Session
		if protocol == talking || protocol == socketing {
			who.Opening = s.service.shown.of(r.Header)
		}
		if err := s.service.connect(r.Context(), &who, client, r.Header); err != nil {
			return hub.Identity{}, err
		}
		if t := s.identities.tokens.Load(); who.User == "" && t.known && t.verifier == nil {
			return hub.Identity{}, hub.Errorf(hub.Unauthorized, "who this client is was told neither by a token nor by the server's backend; log in first")
		}
		return who, nil
	}
}

// connect asks whether a client may be there as who, and who it is to be: who becomes that. header is that of its opening request.
func (s *service) connect(ctx context.Context, who *hub.Identity, client backend.Client, header http.Header) error {
	client.User, client.Info = who.User, who.Info
	decision, err := s.hooks.Connect(ctx, backend.ConnectRequest{Client: client, Header: header, Passing: client.Protocol == passing})
	if err != nil {
		return hookRefusal(err)
	}
	if err := checkNames(&decision); err != nil {
		s.log.Warn("the backend's answer to connect cannot be kept to, so the client is refused", "cause", err)
		return hub.Errorf(hub.Unavailable, "the service that answers for who may connect gave no valid answer; its operator finds the cause in the server's log")
	}
	if decision.User != "" {
		who.User = decision.User
	}
	if decision.Info != nil {
		who.Info = decision.Info
	}
	if decision.Grants != nil {
		who.Grants = grantsOf(decision.Grants)
	}
	if ends := time.Now().Add(decision.Lifetime); decision.Lifetime > 0 && (who.Expires.IsZero() || ends.Before(who.Expires)) {
		who.Expires = ends
	}
	who.Channels = decision.Channels
	return nil
}

// checkNames refuses what the hub would not take.
func checkNames(d *backend.ConnectDecision) error {
	for _, channel := range d.Channels {
		if err := hub.CheckChannel(channel); err != nil {
			return fmt.Errorf("channels: %w", err)
		}
	}
	for _, g := range d.Grants {
		if err := pattern.Check(g.Pattern); err != nil {
			return fmt.Errorf("grants: the pattern %.40q: %w", g.Pattern, err)
		}
	}
	if d.User == "" {
		return nil
	}
	if hub.CheckChannel(d.User) != nil { // what suits a channel suits a user
		return fmt.Errorf("the user is %.40q; name it with 1 to %d bytes of printable UTF-8", d.User, hub.MaxChannelName)
	}
	return nil
}

// protocolOf is how a client of a channel's address is about to be served, in the words of [hub.Description].
func protocolOf(r *http.Request) string {
	switch {
	case r.Header.Get("Upgrade") != "":
		return "raw"
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		return "events"
	}
	return passing
}

// The protocols that are treated in a way of their own.
const (
	passing   = "json"      // of clients that are there for one request
	talking   = "native"    // of clients that may send a token later
	socketing = "socket.io" // of others that may
)

// forget has clients asked about again.
func (s *service) forget() {
	if s.hooks != nil {
		s.hooks.Forget()
	}
}

// backendGrants are what connect lets a client do.
type backendGrants []backend.Grant

func grantsOf(all []backend.Grant) hub.Grants { return backendGrants(all) }

// backendRights are the words of the hook's answer.
var backendRights = map[hub.Right]string{
	hub.ToSubscribe: "subscribe", hub.ToPublish: "publish", hub.ToSeePresence: "presence", hub.ToReadHistory: "history", hub.ToCall: "call",
}

// May implements [hub.Grants]. As with tokens, the right to subscribe covers what came before.
func (g backendGrants) May(right hub.Right, channel string) bool {
	return slices.ContainsFunc(g, func(one backend.Grant) bool {
		granted := slices.Contains(one.Rights, backendRights[right]) ||
			right == hub.ToReadHistory && slices.Contains(one.Rights, backendRights[hub.ToSubscribe])
		return granted && pattern.Match(one.Pattern, channel)
	})
}

// hookRefusal is a hook's error by the hub's table.
func hookRefusal(err error) error {
	if e, ok := errors.AsType[*backend.Error](err); ok {
		return hub.Errorf(hub.Code(e.Code), "%s", e.Reason)
	}
	return hub.Errorf(hub.Unavailable, "the client did not wait for the answer: %w", err)
}
