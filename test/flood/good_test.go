// Clients that behave: they listen to a channel over all transports, and check that nothing is missing.

package flood

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ringdown/ringdown/websocket"
)

// channel is where "warm 1" and so on are published, until everybody has heard one, then "news 1" and so on, all of which everybody must get.
const channel = "news"

// listeners are the clients of one child process.
type listeners struct {
	role  role
	began atomic.Int64 // have heard something
	ended atomic.Int64 // have heard everything
	gate  chan struct{}
}

// listen is the life of a child process: it says ready when everybody has heard something, and done when all have heard everything.
func listen(ctx context.Context, r role) {
	l := &listeners{role: r, gate: make(chan struct{}, 64)} // so many handshakes at a time
	var all sync.WaitGroup
	for i := range r.Count {
		l.gate <- struct{}{}
		all.Go(func() {
			one := &listener{all: l, name: fmt.Sprintf("c%d", i), opened: sync.OnceFunc(func() { <-l.gate })}
			defer one.opened()
			if err := one.listen(ctx, i); err != nil && ctx.Err() == nil {
				say("fault client %d: after %d publications: %v", i, one.last, err)
			}
		})
	}
	all.Wait()
}

// listener is one of them.
type listener struct {
	all    *listeners
	name   string
	opened func() // lets the next one in
	last   int    // number of the news that was heard last
	warm   bool
}

func (l *listener) listen(ctx context.Context, i int) error {
	kinds := []func(*listener, context.Context) error{
		(*listener).raw, (*listener).native, (*listener).events, (*listener).raw, (*listener).native,
		(*listener).events, (*listener).raw, (*listener).native, (*listener).events, (*listener).polls,
	}
	if l.all.role.Name == "killed" { // whoever polls is not there all the time
		kinds = kinds[:3]
	}
	return kinds[i%len(kinds)](l, ctx)
}

// heard takes a payload.
func (l *listener) heard(payload string) error {
	if !l.warm {
		l.warm = true
		if l.all.began.Add(1) == int64(l.all.role.Count) {
			say("ready")
		}
	}
	if strings.HasPrefix(payload, "warm ") && l.last == 0 {
		return nil
	}
	var n int
	if _, err := fmt.Sscanf(payload, "news %d", &n); err != nil || n != l.last+1 {
		return fmt.Errorf("it got %.40q", payload)
	}
	if l.last = n; n == publications && l.all.ended.Add(1) == int64(l.all.role.Count) {
		say("done")
	}
	return nil
}

func (l *listener) dial(ctx context.Context, path string) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s%s?user=%s", l.all.role.Address, path, l.name),
		&websocket.DialOptions{HandshakeTimeout: patience})
	l.opened()
	return c, err
}

func (l *listener) raw(ctx context.Context) error {
	c, err := l.dial(ctx, "/channels/"+channel)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := l.heard(string(m.Data)); err != nil {
			return err
		}
	}
	return errors.New("it was closed")
}

// said is what JSON of the node may hold.
type said struct {
	Type     string
	Data     string
	Code     string
	Sessions int
	Messages []said
	Cursor   string
	Offset   uint64
	Gaps     []any
	Left     any
}

func (l *listener) native(ctx context.Context) error {
	c, err := l.dial(ctx, "/connect")
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Text, []byte(`{"type":"subscribe","channel":"`+channel+`"}`)); err != nil {
		return err
	}
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		var s said
		if err := json.Unmarshal(m.Data, &s); err != nil {
			return err
		}
		switch s.Type {
		case "welcome", "subscribed":
		case "message":
			if err := l.heard(s.Data); err != nil {
				return err
			}
		default:
			return fmt.Errorf("it was told %.200q", m.Data)
		}
	}
	return errors.New("it was closed")
}

// ask sends a GET over a connection and reads the head of the answer.
func (l *listener) ask(c net.Conn, from *bufio.Reader, query, accept string) (*http.Response, error) {
	_, err := fmt.Fprintf(c, "GET /channels/%s?user=%s%s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\n\r\n",
		channel, l.name, query, l.all.role.Address, accept)
	if err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(from, nil)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s", response.Status)
	}
	return response, err
}

// connect opens a connection that ends with ctx.
func (l *listener) connect(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	c, err := net.Dial("tcp", l.all.role.Address)
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c, bufio.NewReaderSize(c, 1<<10), nil
}

func (l *listener) events(ctx context.Context) error {
	c, from, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	response, err := l.ask(c, from, "", "text/event-stream")
	l.opened()
	if err != nil {
		return err
	}
	for lines := bufio.NewReaderSize(response.Body, 512); ; {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		if data, found := bytes.CutPrefix(line, []byte("data: ")); found {
			if err := l.heard(string(bytes.TrimSuffix(data, []byte("\n")))); err != nil {
				return err
			}
		}
		if bytes.HasPrefix(line, []byte("event: ")) {
			return fmt.Errorf("it was told %q", line)
		}
	}
}

// polls waits for one answer after the other, over one connection.
func (l *listener) polls(ctx context.Context) error {
	c, from, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	l.opened()
	after := ""
	for {
		response, err := l.ask(c, from, "&wait=20s"+after, "*/*")
		if err != nil {
			return err
		}
		var s said
		if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
			return err
		}
		response.Body.Close()
		if len(s.Gaps) > 0 {
			return fmt.Errorf("it was told of gaps: %v", s.Gaps)
		}
		for _, m := range s.Messages {
			if err := l.heard(m.Data); err != nil {
				return err
			}
		}
		after = "&after=" + s.Cursor
		if ctx.Err() != nil {
			return nil
		}
	}
}
