package servers

// This file: gorilla/websocket, as in its examples/echo, and once more with every knob turned towards little memory.

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

const gorillaModule = "github.com/gorilla/websocket"

func init() {
	register(&Server{
		Name: "gorilla", Module: gorillaModule,
		About:        "examples/echo: `ReadMessage`, `WriteMessage`, default upgrader; fan-out: `PreparedMessage`, a lock, written in turn",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle, IdleTLS, Fanout},
		Compressions: []Compression{NoTakeover},
		Serve:        serveGorilla,
		Fanout:       fanoutGorilla,
	})
	register(&Server{
		Name: "gorilla-tuned", Module: gorillaModule,
		About:        "512-byte read buffer, pooled write buffers, a fresh goroutine per connection",
		Kinds:        []Kind{Idle, IdleTLS},
		Compressions: []Compression{NoTakeover},
		Serve:        serveGorillaTuned,
	})
}

func serveGorilla(o Options) error {
	upgrader := websocket.Upgrader{EnableCompression: o.Compression != Off}
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		echoGorilla(c)
	})
}

func serveGorillaTuned(o Options) error {
	upgrader := websocket.Upgrader{
		EnableCompression: o.Compression != Off,
		ReadBufferSize:    512,
		WriteBufferSize:   4096,
		WriteBufferPool:   &sync.Pool{},
	}
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		go echoGorilla(c)
	})
}

// gorillaMember is a connection with the lock that this library leaves to its user: one goroutine at a time may write.
type gorillaMember struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

func (m *gorillaMember) write(typ int, message []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conn.WriteMessage(typ, message)
}

func (m *gorillaMember) writePrepared(publication *websocket.PreparedMessage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conn.WritePreparedMessage(publication)
}

func fanoutGorilla(o Options) error {
	var members room[*gorillaMember]
	upgrader := websocket.Upgrader{}
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		me := &gorillaMember{conn: c}
		for joined := false; ; {
			typ, message, err := c.ReadMessage()
			if err != nil {
				return
			}
			if !joined {
				joined = true
				members.join(me)
				defer members.leave(me)
				_ = me.write(typ, message) // what is wrong with a member, its own loop hears
				continue
			}
			publication, err := websocket.NewPreparedMessage(typ, message)
			if err != nil {
				return
			}
			members.each(func(member *gorillaMember) { _ = member.writePrepared(publication) })
		}
	})
}

func echoGorilla(c *websocket.Conn) {
	defer c.Close()
	for {
		typ, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		if c.WriteMessage(typ, message) != nil {
			return
		}
	}
}
