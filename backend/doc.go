// Package backend asks the user's own service what clients may do, and tells it what they have done, over HTTP. It knows no
// channel and no session but by name, and imports nothing of the project but the patterns of
// channels.
//
// [Hooks] ask, and wait for the answer:
//
//	hooks, err := backend.NewHooks(backend.HooksOptions{
//		URL:     "https://app.example.com/ringdown",
//		Secrets: []backend.Secret{secret},
//		Hooks: map[backend.Hook]backend.HookOptions{
//			backend.Connect: {},
//			backend.Publish: {Timeout: time.Second},
//		},
//	})
//	if err != nil {
//		return err
//	}
//	defer hooks.Close(ctx)
//	decision, err := hooks.Publish(ctx, backend.PublishRequest{Client: client, Channel: "chat:lobby", Data: data})
//	if errors.Is(err, backend.ErrDenied) { … }
//
// [Events] tell, and keep what is to be told until the service has it:
//
//	events, err := backend.NewEvents(backend.EventsOptions{URL: url, Secrets: secrets, Dir: "/var/lib/ringdown/events"})
//	…
//	err = events.Add(backend.Event{Kind: backend.Joined, Channel: "chat:lobby", Session: session, User: user})
//
// The service itself, if it is written in Go, checks who asks with [Verify]. docs/hooks.md has every request and answer.
//
// # What it promises
//
// A hook that cannot be asked, or answers nonsense, denies. Fail-open, which is configured hook by hook, lets through only what
// the service could not be asked about; an answer that cannot be understood always denies, because somebody may have meant to.
//
// A request is repeated only if that is safe: it did not reach the service, or the service said that it did nothing with it, or
// the hook is a question (connect, subscribe) or a notice (disconnect). Its id stays the same. A service that hangs or fails is
// left alone for a while by a circuit breaker for each URL, and meanwhile nobody waits for it.
//
// Events are delivered at least once and in the order in which they were added; the newest ones are kept. How many were dropped
// is told to the service, counted and logged.
//
// Everything has a bound: time, bytes of an answer, requests at a time and those that wait for their turn, connections, events
// kept. No payload and no secret is ever in an error or a log line. Hooks and Events may be used from any goroutine.
package backend
