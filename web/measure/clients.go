// The simulated clients: the same few lines of each way that a page would need, many times.

package measure

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/web/feeds"
	"github.com/ringdown/ringdown/websocket"
)

const (
	pollEvery = time.Second // of short polls, as pages do it
	pollWait  = "30s"       // of long polls
)

// crowd is many clients of one way, and what they have counted.
type crowd struct {
	url      string // of the channel
	http     *http.Client
	arrived  sync.WaitGroup
	messages atomic.Int64
	requests atomic.Int64
	in, out  atomic.Int64
}

// listener listens until ctx ends or something fails. It calls here once, when it is served.
type listener func(c *crowd, ctx context.Context, here func()) error

var listeners = map[string]listener{ShortPoll: (*crowd).shortPoll, LongPoll: (*crowd).longPoll, SSE: (*crowd).sse, WebSocket: (*crowd).websocket}

// Clients runs simulated clients until in ends. For each line of in it writes what they have counted as a line of JSON, the first time
// when all of them are there.
func Clients(ctx context.Context, way, base string, n int, in io.Reader, out io.Writer) error {
	listen, known := listeners[way]
	if !known {
		return fmt.Errorf("the way is %q; there are %s, %s, %s and %s", way, ShortPoll, LongPoll, SSE, WebSocket)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &crowd{url: base + "/channels/" + url.PathEscape(feeds.Compare)}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: n}}
	c.arrived.Add(n)
	var clients sync.WaitGroup
	for range n {
		clients.Go(func() {
			here := sync.OnceFunc(c.arrived.Done)
			defer here()
			if err := listen(c, ctx, here); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("a client: %w", err))
			}
		})
	}
	defer clients.Wait()
	defer cancel(nil)
	c.arrived.Wait()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := context.Cause(ctx); err != nil {
			return json.NewEncoder(out).Encode(map[string]string{"error": err.Error()})
		}
		if err := json.NewEncoder(out).Encode(Counts{c.messages.Load(), c.requests.Load(), c.in.Load(), c.out.Load()}); err != nil {
			return err
		}
	}
	return nil
}

// shortPoll asks what is new, and asks again after a while.
func (c *crowd) shortPoll(ctx context.Context, here func()) error {
	if err := sleep(ctx, rand.N(pollEvery)); err != nil { // so that not all ask at once
		return nil
	}
	return c.poll(ctx, "", func(int) error {
		here()
		return sleep(ctx, pollEvery)
	})
}

// longPoll asks what is new, waits for the answer, and asks again.
func (c *crowd) longPoll(ctx context.Context, here func()) error {
	return c.poll(ctx, "&wait="+pollWait, func(int) error {
		here()
		return nil
	})
}

func (c *crowd) poll(ctx context.Context, how string, answered func(messages int) error) error {
	cursor := ""
	for {
		query := "?limit=1"
		if cursor != "" {
			query = "?after=" + cursor + how
		}
		var answer struct {
			Messages []json.RawMessage `json:"messages"`
			Cursor   string            `json:"cursor"`
		}
		body, err := c.get(ctx, query, "application/json")
		if err != nil {
			return err
		}
		err = json.NewDecoder(body).Decode(&answer)
		io.Copy(io.Discard, body)
		body.Close()
		if err != nil {
			return err
		}
		if cursor != "" {
			c.messages.Add(int64(len(answer.Messages)))
		}
		cursor = answer.Cursor
		if err := answered(len(answer.Messages)); err != nil {
			return err
		}
	}
}

// sse listens to an event stream.
func (c *crowd) sse(ctx context.Context, here func()) error {
	body, err := c.get(ctx, "", "text/event-stream")
	if err != nil {
		return err
	}
	defer body.Close()
	here()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if bytes.HasPrefix(lines.Bytes(), []byte("data:")) {
			c.messages.Add(1)
		}
	}
	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// websocket listens on a WebSocket.
func (c *crowd) websocket(ctx context.Context, here func()) error {
	c.requests.Add(1)
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(c.url, "http"), &websocket.DialOptions{DialContext: c.dial})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	here()
	for _, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		c.messages.Add(1)
	}
	return nil
}

func (c *crowd) get(ctx context.Context, query, accept string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", c.url+query, nil)
	if err != nil {
		return nil, err
	}
	// As long as those of browsers, which say much about themselves.
	for name, value := range map[string]string{
		"Accept": accept, "Accept-Language": "en-US,en;q=0.9", "Cache-Control": "no-cache", "Pragma": "no-cache", "Accept-Encoding": "gzip, deflate, br, zstd",
		"Referer":    strings.SplitAfter(c.url, "/channels")[0],
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Sec-Ch-Ua":  `"Chromium";v="142", "Not_A Brand";v="99"`, "Sec-Ch-Ua-Mobile": "?0", "Sec-Ch-Ua-Platform": `"Linux"`,
		"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin",
	} {
		request.Header.Set(name, value)
	}
	c.requests.Add(1)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("the node answers %s", answer.Status)
	}
	return answer.Body, nil
}

// dial opens a connection that is counted.
func (c *crowd) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &counted{conn, c}, nil
}

// counted is a connection of a crowd.
type counted struct {
	net.Conn
	crowd *crowd
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.crowd.in.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.crowd.out.Add(int64(n))
	return n, err
}
