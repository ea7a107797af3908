// Socketio-conformance is a neutral server for suites that test the protocols of Engine.IO and Socket.IO.
//
//	go run ./examples/socketio-conformance -addr 127.0.0.1:3000 -ping-interval 300ms -ping-timeout 200ms
//
// At /engine.io/ is Engine.IO alone: text and binary come back as they were. At /socket.io/ is Socket.IO with exactly the namespaces / and
// /custom. A client is greeted by the event auth with what it has sent with CONNECT, or {}; message is answered by message-back with the
// same arguments, and message-with-ack by an acknowledgement with them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// settings are the flags. What is zero is the packages' default.
type settings struct {
	pingInterval, pingTimeout, connectTimeout time.Duration
	maxPayload                                int64
	recovery                                  bool
}

func main() {
	var s settings
	addr := flag.String("addr", "127.0.0.1:3000", "`address` to listen on")
	flag.Func("ping-interval", "`time` between pings, as 300ms or in milliseconds (default 25s)", milliseconds(&s.pingInterval))
	flag.Func("ping-timeout", "`time` that a pong may take (default 20s)", milliseconds(&s.pingTimeout))
	flag.Func("connect-timeout", "`time` that a client may be in no namespace (default 45s)", milliseconds(&s.connectTimeout))
	flag.Int64Var(&s.maxPayload, "max-payload", 1_000_000, "largest message and POST in `bytes`")
	flag.BoolVar(&s.recovery, "recovery", false, "connection state recovery: clients that were away go on where they were")
	flag.Parse()

	handler, err := s.handler()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

// milliseconds reads a flag as suites write it: a Go duration, or a bare number of milliseconds.
func milliseconds(d *time.Duration) func(string) error {
	return func(text string) (err error) {
		if n, e := strconv.ParseUint(text, 10, 31); e == nil {
			*d = time.Duration(n) * time.Millisecond
		} else if *d, err = time.ParseDuration(text); err != nil {
			return err
		}
		if *d <= 0 {
			return fmt.Errorf("give more than no time, for example 300ms or 300")
		}
		return nil
	}
}

func (s settings) engine() engineio.Options {
	o := engineio.Options{PingInterval: s.pingInterval, PingTimeout: s.pingTimeout, MaxPayload: s.maxPayload}
	o.Accept.AnyOrigin = true // there is nothing to protect
	return o
}

func (s settings) handler() (http.Handler, error) {
	o := s.engine()
	echo, err := engineio.New(engineio.Handler{
		Message: func(c *engineio.Conn, binary bool, payload []byte) { c.Send(binary, payload) },
	}, &o)
	if err != nil {
		return nil, err
	}
	events, err := s.events()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/engine.io", "/engine.io/"} {
		mux.Handle(path, echo)
	}
	for _, path := range []string{"/socket.io", "/socket.io/"} {
		mux.Handle(path, events)
	}
	return mux, nil
}

func (s settings) events() (http.Handler, error) {
	h, err := hub.New(hub.Options{
		Broker: memory.New(memory.Options{}),
		Rules:  []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 1000, Age: 2 * time.Minute}}}, // for recovery
	})
	if err != nil {
		return nil, err
	}
	o := socketio.Options{Engine: s.engine(), ConnectTimeout: s.connectTimeout}
	if s.recovery {
		o.Recovery = &socketio.Recovery{}
	}
	server, err := socketio.New(h, o)
	if err != nil {
		return nil, err
	}
	server.OnConnection(serve)
	server.Of("/custom").OnConnection(serve)
	return server, nil
}

// serve is what happens in both namespaces.
func serve(s *socketio.Socket) {
	auth := s.Auth()
	if auth == nil {
		auth = json.RawMessage("{}")
	}
	s.Emit("auth", auth)
	s.On("message", func(args socketio.Args) error { return s.Emit("message-back", values(args)...) })
	s.On("message-with-ack", func(args socketio.Args, ack socketio.Ack) error { return ack.Send(values(args)...) })
}

// values are arguments as they can be sent again, bytes among them.
func values(args socketio.Args) []any {
	all, targets := make([]any, args.Len()), make([]any, args.Len())
	for i := range all {
		targets[i] = &all[i]
	}
	args.Decode(targets...) // any takes whatever came
	return all
}
