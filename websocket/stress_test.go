// Many connections at once, with everything that may happen to them.

package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// A message of the stress test tells whose it is: the connection's number fills it.
func stressMessage(id uint32, size int) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint32(nil, id), 1+size/4)
}

func TestStress(t *testing.T) {
	const connections, messages = 200, 40
	before := runtime.NumGoroutine()
	all := []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionNoTakeover, websocket.CompressionTakeover}
	mux := http.NewServeMux()
	for i, mode := range all {
		mux.Handle(fmt.Sprintf("/%d", i), websocket.Handler(func(c *websocket.Conn) {
			for m, err := range c.Messages(context.Background()) {
				if err != nil {
					return
				}
				if rand.N(300) == 0 {
					c.CloseNow()
				} else if rand.N(300) == 0 {
					c.Close(4000, "at random")
				}
				if c.Write(context.Background(), m.Type, m.Data) != nil {
					return
				}
			}
		}, &websocket.AcceptOptions{Compression: websocket.Compression{Mode: mode}, CorkBursts: i%2 == 0}))
	}
	s := httptest.NewServer(mux)
	url := strings.Replace(s.URL, "http", "ws", 1)
	var clients sync.WaitGroup
	for id := range uint32(connections) {
		clients.Go(func() {
			mode := all[rand.N(3)]
			c, _, err := websocket.Dial(soon(t), fmt.Sprintf("%s/%d", url, rand.N(3)), &websocket.DialOptions{
				Compression: websocket.Compression{Mode: mode}, CorkBursts: id%3 == 0,
				Limits: websocket.Limits{CloseTimeout: time.Minute}, // the machine is to have as long as it takes
			})
			if err != nil {
				t.Error(err)
				return
			}
			if err := stress(c, id, messages); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	s.Close()
	for start := time.Now(); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left of %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// stress is one client: it writes from one goroutine and reads on another, until all has come back or the connection has
// ended, by itself or by its own hand.
func stress(c *websocket.Conn, id uint32, messages int) error {
	var writer sync.WaitGroup
	writer.Go(func() {
		for range messages {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.N(1000))*time.Millisecond)
			message := stressMessage(id, rand.N(20)*rand.N(20)*rand.N(20))
			if rand.N(4) == 0 {
				w, _ := c.Writer(ctx, websocket.Binary)
				w.Write(message)
				w.Close()
			} else {
				c.Write(ctx, websocket.Binary, message)
			}
			cancel()
			if rand.N(400) == 0 {
				c.CloseNow()
			}
		}
		c.Write(context.Background(), websocket.Text, nil) // the last one: some of those before were interrupted
	})
	defer writer.Wait()
	defer c.CloseNow()
	for {
		typ, err := stressRead(c, id)
		switch {
		case errors.Is(err, errNotOurs):
			return err
		case err != nil && c.Err() != nil:
			return nil // at random
		case err == nil && typ == websocket.Text:
			return c.Close(1000, "")
		}
	}
}

var errNotOurs = errors.New("mixed up")

// stressRead reads one message in one of the ways there are, with a context that may end too early.
func stressRead(c *websocket.Conn, id uint32) (websocket.MessageType, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.N(20))*time.Millisecond)
	defer cancel()
	var typ websocket.MessageType
	var message []byte
	var err error
	if rand.N(3) > 0 {
		typ, message, err = c.Read(ctx)
	} else {
		var r io.Reader
		if typ, r, err = c.Reader(ctx); err == nil {
			message, err = io.ReadAll(r)
			if err != nil && c.Err() == nil {
				err = nil // interrupted: the next read skips the rest
			}
		}
	}
	if err == nil && !bytes.Equal(message, stressMessage(id, len(message))[:len(message)]) {
		err = fmt.Errorf("connection %d was given %d bytes that are not its own: %w", id, len(message), errNotOurs)
	}
	return typ, err
}
