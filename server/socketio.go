// Socket.IO: how its clients are served, who they are, and where the files of their library come from.

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/commands"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/proxy"
)

// leastSocketPayload is the smallest message that is read to its end, in bytes: clients of a larger one learn nothing but that their connection is
// closed, and those of a smaller one why it is refused. It is that of the Node server.
const leastSocketPayload = 1_000_000

// newSockets starts the gateway for Socket.IO clients, or returns nil if there is to be none. Around a payload there are names, and as text in JSON or
// as base64 the payload itself may be longer.
func (s *Server) newSockets() (*commands.Gateway, error) {
	c := &s.config
	if !c.SocketIO.Enabled {
		return nil, nil
	}
	sessions, _ := affordable(c.Limits.Connections, openFiles())
	o := socketio.Options{
		Engine: engineio.Options{
			PingInterval: c.SocketIO.PingInterval, PingTimeout: c.SocketIO.PingTimeout, UpgradeTimeout: c.Limits.HandshakeTimeout,
			MaxPayload:  max(leastSocketPayload, 2*int64(c.Limits.MessageSize)),
			OutboxBytes: int(c.Limits.OutboxBytes), MaxSessions: sessions,
			Accept: s.accept(), Log: s.log,
			Allow: s.allowSocket,
		},
		ConnectTimeout: c.Limits.HandshakeTimeout + c.Backend.Timeout,
		Identify:       s.identifySocket(),
		MaxAuth:        int(c.Limits.HeaderSize),
		Log:            s.log,
	}
	if s.peers != nil {
		o.Engine.Node = s.peers.Node()
		o.Cluster = s.peers.sockets
	}
	if c.SocketIO.Recovery > 0 {
		o.Recovery = &socketio.Recovery{MaxDisconnection: c.SocketIO.Recovery}
		if s.peers != nil {
			o.Recovery.Store = s.peers
		}
	}
	gateway, err := commands.New(s.hub, o)
	if err == nil && o.Recovery != nil {
		s.keepers = append(s.keepers, gateway)
	}
	return gateway, err
}

// allowSocket is asked for each new connection. Those over polling are no connections of the network, and no sessions yet, so they are counted here.
func (s *Server) allowSocket(r *http.Request) (any, error) {
	client := proxy.From(r)
	if s.front.limiter == nil || r.Header.Get("Upgrade") != "" {
		return client, nil
	}
	release, err := s.front.limiter.Admit(client.Address)
	if err != nil {
		return nil, refusedSocket{err}
	}
	release()
	return client, nil
}

// refusedSocket knows its status over HTTP.
type refusedSocket struct{ error }

// Status is that of the hub's table.
func (r refusedSocket) Status() int {
	known, _ := hub.RefusalOf(r.error)
	return known.Status
}

func (r refusedSocket) Unwrap() error { return r.error }

// identifySocket is how the gateway learns who a client is: by the token in its auth, or else by the request that opened its connection.
func (s *Server) identifySocket() func(context.Context, *engineio.Handshake, json.RawMessage) (hub.Identity, error) {
	identify := s.front.bounded(s.identified(socketing))
	return func(ctx context.Context, h *engineio.Handshake, auth json.RawMessage) (hub.Identity, error) {
		var given struct{ Token *string }
		if err := json.Unmarshal(auth, &given); auth != nil && err != nil {
			return hub.Identity{}, hub.Errorf(hub.Unauthorized, `the "token" in the client's auth is no text; send it as auth: {token: "…"}, or none`)
		}
		if given.Token != nil {
			ctx = carrying(ctx, *given.Token)
		}
		if client, ok := h.Allowed.(proxy.Client); ok {
			ctx = proxy.With(ctx, client)
		}
		r := &http.Request{Method: http.MethodGet, URL: h.URL(), Header: h.Header(), Host: h.Host, RemoteAddr: h.RemoteAddr, RequestURI: h.URI}
		return identify(r.WithContext(ctx))
	}
}

// socketRoutes adds where Socket.IO clients come.
func (s *Server) socketRoutes(mux *http.ServeMux) {
	if s.sockets == nil {
		return
	}
	base := strings.TrimSuffix(s.config.SocketIO.Path, "/")
	mux.Handle(base, s.relayed(s.sockets))
	mux.Handle(base+"/", s.relayed(s.sockets))
	mux.HandleFunc(base+"/{file}", s.clientLibrary)
}

// libraryFiles are those that pages load from where their server is, and the maps to them.
var libraryFiles = map[string]bool{
	"socket.io.js": true, "socket.io.min.js": true, "socket.io.esm.min.js": true, "socket.io.msgpack.min.js": true,
	"socket.io.js.map": true, "socket.io.min.js.map": true, "socket.io.esm.min.js.map": true, "socket.io.msgpack.min.js.map": true,
}

// clientLibrary serves the official client, if it is here: it is not ours to have in the binary.
func (s *Server) clientLibrary(w http.ResponseWriter, r *http.Request) {
	name, folder := r.PathValue("file"), s.config.SocketIO.ClientLibrary
	if !libraryFiles[name] {
		http.Error(w, fmt.Sprintf("there is nothing here; Socket.IO clients connect to %s", s.config.SocketIO.Path), http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		readOnly(w, r)
		return
	}
	if folder != "" {
		if file, err := os.Open(filepath.Join(folder, name)); err == nil {
			defer file.Close()
			if is, err := file.Stat(); err == nil && is.Mode().IsRegular() {
				w.Header().Set("Cache-Control", "no-cache")
				http.ServeContent(w, r, name, is.ModTime(), file)
				return
			}
		}
	}
	http.Error(w, fmt.Sprintf("%s is not here; it is in the folder client-dist of the npm package socket.io, which socketio.client_library can name, "+
		"and at https://cdn.socket.io/", name), http.StatusNotFound)
}
