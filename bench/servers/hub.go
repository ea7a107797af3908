package servers

// This file: a whole server as most are made in Go, after gorilla/websocket's chat example. A hub owns the clients; each has a
// goroutine that reads, one that writes, and a queue of messages between hub and writer. What waits in the queue when a
// message is written goes along in the same frame, a line each. A client whose queue is full is cut off.

import (
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

const (
	hubQueue     = 256
	hubWriteWait = 10 * time.Second
	hubPongWait  = 60 * time.Second
)

type hub struct {
	clients   map[*hubClient]bool
	broadcast chan []byte
	join      chan *hubClient
	leave     chan *hubClient
}

type hubClient struct {
	hub  *hub
	conn *websocket.Conn
	send chan []byte
}

// Hub serves a listener until it fails: everybody is a member, and what one says all hear.
func Hub(ln net.Listener) error {
	h := &hub{clients: map[*hubClient]bool{}, broadcast: make(chan []byte), join: make(chan *hubClient), leave: make(chan *hubClient)}
	go h.run()                       // for as long as the process lives
	upgrader := websocket.Upgrader{} // with the buffers of net/http, 4 KiB each: sixteen messages fit into a frame
	return (&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := &hubClient{hub: h, conn: conn, send: make(chan []byte, hubQueue)}
		h.join <- c
		go c.write()
		go c.read()
	})}).Serve(ln)
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.join:
			h.clients[c] = true
		case c := <-h.leave:
			h.drop(c)
		case message := <-h.broadcast:
			for c := range h.clients {
				select {
				case c.send <- message:
				default:
					h.drop(c)
				}
			}
		}
	}
}

func (h *hub) drop(c *hubClient) {
	if h.clients[c] {
		delete(h.clients, c)
		close(c.send)
	}
}

func (c *hubClient) read() {
	defer func() {
		c.hub.leave <- c
		c.conn.Close()
	}()
	extend := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(hubPongWait)) }
	_ = extend("") // an error is the next read's, too
	c.conn.SetPongHandler(extend)
	for {
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		c.hub.broadcast <- message
	}
}

func (c *hubClient) write() {
	ticker := time.NewTicker(hubPongWait * 9 / 10)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case message, open := <-c.send:
			if !open || c.flush(message) != nil {
				return
			}
		case <-ticker.C:
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(hubWriteWait)) != nil {
				return
			}
		}
	}
}

// flush writes a message and what waits behind it.
func (c *hubClient) flush(message []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(hubWriteWait)) // it never fails
	w, err := c.conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	for more := len(c.send); ; more-- {
		if _, err := w.Write(message); err != nil {
			return err
		}
		if more == 0 {
			return w.Close()
		}
		if _, err := w.Write([]byte{'\n'}); err != nil {
			return err
		}
		message = <-c.send
	}
}
