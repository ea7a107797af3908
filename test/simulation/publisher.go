// A publisher: a client that publishes what its script says, again where the answer was lost and that is safe, and logs what it is
// told.

package simulation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// publisher is one client. Everything belongs to its goroutine.
type publisher struct {
	script publisherScript
	log    *Log
	target string // through a proxy, or the node itself
	random *rand.Rand
	leg    int
	done   map[string]string // cursors of what was taken, by id
}

const (
	tries    = 200                    // of a publication that may be repeated
	patience = 400 * time.Millisecond // with an answer, while something may go wrong
)

func startPublisher(s publisherScript, seed uint64, log *Log, target string) *publisher {
	return &publisher{script: s, log: log, target: target, random: source(seed, "pace of "+s.name),
		done: make(map[string]string)}
}

func (p *publisher) run(ctx context.Context) {
	switch p.script.over {
	case byPost:
		p.posts(ctx)
	case byNative:
		p.native(ctx)
	case byRaw:
		p.raw(ctx)
	}
}

func (p *publisher) pause(d time.Duration) { time.Sleep(d) }

// attempt enters that a publication is about to be sent; leg is 0 where nothing orders it.
func (p *publisher) attempt(it *item, leg int) {
	p.log.Add(Entry{What: Attempted, Who: p.script.name, Leg: leg, Channel: it.channel, Content: it.content})
}

// answered enters a receipt or a refusal.
func (p *publisher) answered(it *item, m *message) {
	e := Entry{What: Receipted, Who: p.script.name, Channel: it.channel, Content: Content{ID: it.content.ID},
		Cursor: m.Cursor, Offset: m.Offset, Duplicate: m.Duplicate}
	if p.done[it.content.ID] = m.Cursor; m.Code != "" {
		e.What, e.Text = Refused, m.Code
	}
	p.log.Add(e)
}

func (p *publisher) posts(ctx context.Context) {
	for i := range p.script.items {
		it := &p.script.items[i]
		p.pause(it.pause)
		p.post(ctx, it)
	}
}

// post publishes one item, as often as it wants, and as it takes.
func (p *publisher) post(ctx context.Context, it *item) {
	wanted := 1 + it.again
	for range tries {
		answered, err := p.postOnce(ctx, it)
		if n, is := errors.AsType[nonsense](err); is {
			p.log.Add(Entry{What: Nonsense, Who: p.script.name, Text: n.Error()})
		}
		if answered {
			wanted--
		}
		if wanted == 0 || !it.idempotent {
			return
		}
		if !answered {
			p.pause(milliseconds(p.random, 5, 50))
		}
	}
}

func (p *publisher) postOnce(ctx context.Context, it *item) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	values := url.Values{"user": {p.script.name}}
	if it.content.Event != "" {
		values.Set("event", it.content.Event)
	}
	if it.content.Key != "" {
		values.Set("key", it.content.Key)
	}
	address := fmt.Sprintf("http://%s/channels/%s?%s", p.target, it.channel, values.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(it.content.Payload))
	if err != nil {
		return false, err
	}
	request.GetBody = nil // net/http must not repeat what may have arrived
	request.Header.Set("Content-Type", []string{"text/plain; charset=utf-8", "application/json", "application/octet-stream"}[it.content.Kind])
	if it.idempotent {
		request.Header.Set("Idempotency-Key", it.content.ID)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	p.attempt(it, 0)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return false, err
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return false, nonsensef("%s says %.200q: %w", response.Status, text, err)
	}
	if good := response.StatusCode/100 == 2; good != (m.Code == "") || good && m.Duplicate != (response.StatusCode == http.StatusOK) {
		return false, nonsensef("%s says %.200q", response.Status, text)
	}
	p.answered(it, &m)
	return m.Code == "", nil
}

// dial opens a WebSocket.
func (p *publisher) dial(ctx context.Context, path string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	p.leg++
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s%s?user=%s", p.target, path, p.script.name), nil)
	return c, err
}

// native publishes over one connection after the other, several in a message where the script says so. What was answered is done;
// what was not is sent again if that is safe.
func (p *publisher) native(ctx context.Context) {
	var todo []*item
	for i := range p.script.items {
		for range 1 + p.script.items[i].again {
			todo = append(todo, &p.script.items[i])
		}
	}
	failed := 0 // connections since the last answer
	for len(todo) > 0 && failed < tries {
		before := len(todo)
		err := p.nativeOnce(ctx, &todo)
		if n, is := errors.AsType[nonsense](err); is {
			p.log.Add(Entry{What: Nonsense, Who: p.script.name, Text: n.Error()})
			return
		}
		if failed++; len(todo) < before {
			failed = 0
		}
		p.pause(milliseconds(p.random, 5, 50))
	}
}

const largestBatch = 8

// nativeOnce publishes over one connection, until all is done or it is cut. What is done is taken off todo.
func (p *publisher) nativeOnce(ctx context.Context, todo *[]*item) error {
	c, err := p.dial(ctx, "/connect")
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for len(*todo) > 0 {
		n := 1
		for n < len(*todo) && n < largestBatch && (*todo)[n-1].batch {
			n++
		}
		batch := (*todo)[:n]
		p.pause(batch[0].pause)
		rest, err := p.batch(ctx, c, batch)
		*todo = append(rest, (*todo)[n:]...)
		if err != nil {
			return err
		}
	}
	return nil
}

// batch sends some items in one message and waits for the answers; rest are those to be sent again.
func (p *publisher) batch(ctx context.Context, c *websocket.Conn, batch []*item) (rest []*item, err error) {
	var commands [][]byte
	for id, it := range batch {
		p.attempt(it, p.leg)
		commands = append(commands, it.command(id))
	}
	text := bytes.Join(commands, []byte(",\n"))
	if len(commands) > 1 {
		text = fmt.Appendf(nil, "[%s]", text)
	}
	done := 0
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if err = c.Write(ctx, websocket.Text, text); err == nil {
		done, err = p.receipts(ctx, c, batch)
	}
	for _, it := range batch[done:] {
		if it.idempotent {
			rest = append(rest, it)
		}
	}
	return rest, err
}

// command is the item as a command. JSON is put in as it is, with its white space.
func (it *item) command(id int) []byte {
	command := map[string]any{"type": "publish", "id": id, "channel": it.channel}
	if it.content.Event != "" {
		command["event"] = it.content.Event
	}
	if it.content.Key != "" {
		command["key"] = it.content.Key
	}
	if it.idempotent {
		command["idempotency_key"] = it.content.ID
	}
	data := it.content.Payload
	switch it.content.Kind {
	case hub.Text:
		data, _ = json.Marshal(string(data))
	case hub.Binary:
		command["encoding"] = "base64"
		data = strconv.AppendQuote(nil, base64.StdEncoding.EncodeToString(data))
	}
	text, _ := json.Marshal(command) // of strings and numbers
	return fmt.Appendf(bytes.TrimSuffix(text, []byte("}")), `,"data":%s}`, data)
}

// receipts reads the answers to a batch, which come in its order.
func (p *publisher) receipts(ctx context.Context, c *websocket.Conn, batch []*item) (done int, err error) {
	for done < len(batch) {
		_, text, err := c.Read(ctx)
		if err != nil {
			return done, err
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			return done, nonsensef("the node said %.200q: %w", text, err)
		}
		switch {
		case m.Type == "welcome":
			continue
		case m.Type == "disconnect":
			return done, errors.New("the node says goodbye")
		case m.Type != "published" && m.Type != "error" || m.ID != done:
			return done, nonsensef("instead of an answer to command %d the node said %.200q", done, text)
		}
		p.answered(batch[done], &m)
		if m.Code != "" {
			return done, fmt.Errorf("refused: %s", m.Message)
		}
		done++
	}
	return done, nil
}

// raw sends messages to a channel, and never learns what became of them.
func (p *publisher) raw(ctx context.Context) {
	var c *websocket.Conn
	var err error
	defer func() {
		if c != nil {
			p.farewell(c)
		}
	}()
	for i := range p.script.items {
		it := &p.script.items[i]
		p.pause(it.pause)
		for c == nil {
			if c, err = p.dial(ctx, "/channels/"+it.channel); err != nil {
				c = nil
				p.pause(milliseconds(p.random, 5, 50))
				continue
			}
			c.CloseRead(ctx)
		}
		p.attempt(it, p.leg)
		kind := websocket.Text
		if it.content.Kind == hub.Binary {
			kind = websocket.Binary
		}
		limited, cancel := context.WithTimeout(ctx, patience)
		if c.Write(limited, kind, it.content.Payload) != nil {
			c.CloseNow()
			c = nil
		}
		cancel()
	}
}

// farewell closes a connection behind what was sent.
func (p *publisher) farewell(c *websocket.Conn) {
	if c.Close(websocket.StatusNormalClosure, "") != nil {
		c.CloseNow()
	}
}
