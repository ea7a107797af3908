package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// An echo server, and a client that talks to it.
func Example() {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		ctx := context.Background()
		for m, err := range c.Messages(ctx) {
			if err != nil {
				log.Print(err)
				return
			}
			if err := c.Write(ctx, m.Type, m.Data); err != nil {
				return
			}
		}
	}, nil))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, server.URL, nil) // http://… stands for ws://…
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()

	if err := c.Write(ctx, websocket.Text, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	typ, data, err := c.Read(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %s\n", typ, data)
	fmt.Println("closed:", c.Close(websocket.StatusNormalClosure, ""))
	// Output:
	// text: hello
	// closed: <nil>
}

// A connection of Handler has a goroutine of its own and keeps nothing of net/http's. When the function returns, the
// connection is closed.
func ExampleHandler() {
	clock := websocket.Handler(func(c *websocket.Conn) {
		ctx := c.CloseRead(context.Background()) // it only writes; ctx ends with the connection
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				if err := c.Write(ctx, websocket.Text, now.AppendFormat(nil, time.TimeOnly)); err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}, &websocket.AcceptOptions{
		Origins: []string{"https://app.example", "*.intranet.example"}, // pages that may connect, besides our own
	})

	mux := http.NewServeMux()
	mux.Handle("/clock", clock)
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", mux))
}

// Accept is for handlers that look at the request first, or answer it in other ways too.
func ExampleAccept() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("ticket") != "blue" {
			http.Error(w, "no ticket", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"chat.v2", "chat.v1"}, // what this server speaks, the best first
		})
		if err != nil {
			return // the client has been told
		}
		defer c.CloseNow()
		switch c.Subprotocol() {
		case "chat.v1", "chat.v2":
			c.Write(context.Background(), websocket.Text, []byte("welcome to "+c.Subprotocol()))
			c.Close(websocket.StatusNormalClosure, "")
		default:
			c.Close(websocket.StatusPolicyViolation, "speak chat.v1 or chat.v2")
		}
	})
	server := httptest.NewServer(handler)
	defer server.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, server.URL+"?ticket=blue", &websocket.DialOptions{Subprotocols: []string{"chat.v1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, data, err := c.Read(ctx)
	fmt.Printf("%s, %v\n", data, err)

	_, _, err = websocket.Dial(ctx, server.URL, nil)
	fmt.Println(err)
	// Output:
	// welcome to chat.v1, <nil>
	// websocket: handshake: 401 Unauthorized: no ticket
}

func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss://feeds.example/prices", &websocket.DialOptions{
		Header:      http.Header{"Authorization": {"Bearer …"}},
		Compression: websocket.Compression{Mode: websocket.CompressionTakeover},
		KeepAlive:   websocket.KeepAlive{Interval: 30 * time.Second}, // notice a server that has gone silently
	})
	if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok && refused.Status == http.StatusUnauthorized {
		log.Fatal("sign in first: ", refused.Reason)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()

	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", m.Data)
	}
}

// The loop lends each message for one turn, and ends when the peer closes.
func ExampleConn_Messages() {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		for _, line := range []string{"red", "green", "blue"} {
			c.Write(context.Background(), websocket.Text, []byte(line))
		}
	}, nil))
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	var kept []string
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err) // not for a normal closure: that just ends the loop
		}
		kept = append(kept, string(m.Data)) // m.Data is lent: copy what is to be kept
	}
	fmt.Println(kept)
	// Output: [red green blue]
}

// One message, written as its pieces are made.
func ExampleConn_Writer() {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		w, err := c.Writer(context.Background(), websocket.Text)
		if err != nil {
			return
		}
		fmt.Fprintln(w, "id,name")
		for id, name := range []string{"Ada", "Grace"} {
			fmt.Fprintf(w, "%d,%s\n", id, name)
		}
		w.Close() // ends the message
	}, nil))
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, message, err := c.Reader(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(message); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// id,name
	// 0,Ada
	// 1,Grace
}

// A broadcast is framed, and compressed, once for all who receive it.
func ExamplePrepare() {
	members := make(chan *websocket.Conn)
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		members <- c
		<-c.CloseRead(context.Background()).Done()
	}, nil))
	defer server.Close()

	ctx := context.Background()
	var clients, room []*websocket.Conn
	for range 3 {
		c, _, err := websocket.Dial(ctx, server.URL, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer c.CloseNow()
		clients, room = append(clients, c), append(room, <-members)
	}

	news := websocket.Prepare(websocket.Text, []byte("the doors are open"))
	for _, member := range room {
		if err := member.WritePrepared(ctx, news); err != nil {
			log.Print(err)
		}
	}

	for _, c := range clients {
		_, data, err := c.Read(ctx)
		fmt.Printf("%s, %v\n", data, err)
	}
	// Output:
	// the doors are open, <nil>
	// the doors are open, <nil>
	// the doors are open, <nil>
}

// Ten messages leave in one write to the network.
func ExampleConn_Cork() {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		ctx := context.Background()
		c.Cork()
		for n := range 10 {
			c.Write(ctx, websocket.Text, fmt.Append(nil, n))
		}
		c.Uncork(ctx)
	}, nil))
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s ", m.Data)
	}
	// Output: 0 1 2 3 4 5 6 7 8 9
}

// Close tells the peer why, and waits until it has answered.
func ExampleConn_Close() {
	farewell := make(chan string)
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		<-c.CloseRead(context.Background()).Done()
		code, reason, _ := c.PeerStatus()
		farewell <- fmt.Sprintf("%v: %s", code, reason)
	}, nil))
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow() // whatever happens before Close
	fmt.Println(c.Close(websocket.StatusGoingAway, "back at noon"))
	fmt.Println(<-farewell)
	// Output:
	// <nil>
	// 1001 going away: back at noon
}

// CloseStatus is the code with which the peer closed, if that is what the error is about.
func ExampleCloseStatus() {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		c.Close(websocket.StatusTryAgainLater, "full")
	}, nil))
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, _, err = c.Read(context.Background())
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		fmt.Println("done")
	case websocket.StatusTryAgainLater:
		fmt.Println("later:", err)
	case -1:
		fmt.Println("the connection broke:", err)
	}
	// Output: later: websocket: closed by the peer: 1013 try again later: "full"
}

// A protocol of lines, over a WebSocket.
func ExampleNetConn() {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		stream := websocket.NetConn(context.Background(), c, websocket.Binary)
		defer stream.Close()
		for lines := bufio.NewScanner(stream); lines.Scan(); {
			fmt.Fprintln(stream, strings.ToUpper(lines.Text()))
		}
	}, nil))
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	stream := websocket.NetConn(context.Background(), c, websocket.Binary)
	defer stream.Close()
	stream.SetDeadline(time.Now().Add(10 * time.Second))

	io.WriteString(stream, "hel")
	io.WriteString(stream, "lo\nworld\n") // messages have no borders here
	answers := bufio.NewReader(stream)
	for range 2 {
		line, err := answers.ReadString('\n')
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(line)
	}
	// Output:
	// HELLO
	// WORLD
}
