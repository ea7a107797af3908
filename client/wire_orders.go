// How commands are obeyed with HTTP requests, each with one answer.

package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// post publishes, one after the other, until the wire ends: what comes later must not overtake what failed.
func (w *httpWire) post() {
	for {
		select {
		case <-w.posted:
		case <-w.ctx.Done():
			return
		}
		w.mu.Lock()
		posts := w.posts
		w.posts = nil
		w.mu.Unlock()
		for _, o := range posts {
			w.answer(o, w.publish)
		}
	}
}

// answer obeys a command that has an answer. A failure that is not about it alone is the end.
func (w *httpWire) answer(o *order, work func(*order) (*heard, error)) {
	if w.ctx.Err() != nil {
		return
	}
	h, err := work(o)
	if err == nil {
		h.ID, h.Channel = o.ID, o.Channel
		w.say(h)
		return
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok && ofRequest(refused) {
		w.refuse(o.ID, o.Channel, refused.Code, refused.Message)
		return
	}
	w.end(err)
}

func (w *httpWire) publish(o *order) (*heard, error) {
	kind, data, err := (&heard{Data: o.Data, Encoding: o.Encoding}).payload()
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {[...]string{"text/plain; charset=utf-8", "application/json", "application/octet-stream"}[kind]}}
	if o.IdempotencyKey != "" {
		header.Set("Idempotency-Key", o.IdempotencyKey)
	}
	h, err := w.ask(w.ctx, http.MethodPost, pathOf(o.Channel), given("event", o.Event, "key", o.Key), header, data, patience)
	if err != nil {
		return nil, err
	}
	h.Type = "published"
	return h, nil
}

// fullAnswer is how much may make an answer shorter than its limit, in bytes.
const fullAnswer = 1 << 20

func (w *httpWire) history(o *order) (*heard, error) {
	if o.Limit == 0 {
		o.Limit = 100
	}
	h, err := w.ask(w.ctx, http.MethodGet, pathOf(o.Channel), given("limit", strconv.Itoa(o.Limit), "after", o.Cursor), nil, nil, patience)
	if err != nil {
		return nil, err
	}
	h.Type = "history"
	size := 0
	for i := range h.Messages {
		h.Messages[i].Channel = o.Channel
		size += len(h.Messages[i].Data)
	}
	recovered := o.Cursor != "" && !h.denied()
	h.Recovered = &recovered
	h.More = o.Cursor != "" && (len(h.Messages) >= o.Limit || size >= fullAnswer)
	return h, nil
}

// ping asks for something that costs little: an empty poll of one of the channels or, without any, of one that may not be allowed,
// which is an answer as well. It is not OPTIONS, for that would be answered to everybody, whatever the token.
func (w *httpWire) ping(id json.RawMessage) {
	w.mu.Lock()
	channel := "-"
	for name := range w.places {
		channel = name
	}
	silent := !w.welcomed
	if silent && id == nil {
		w.unanswered++
	}
	waits := silent && len(w.places) > 0
	w.mu.Unlock()
	if waits {
		return // what comes of the channels will show it
	}
	if err := w.probe(channel); err != nil {
		w.end(err)
		return
	}
	w.welcome()
	if id != nil || !silent {
		w.say(&heard{Type: "pong", ID: id})
	}
}

func (w *httpWire) probe(channel string) error {
	_, err := w.ask(w.ctx, http.MethodHead, pathOf(channel), url.Values{"limit": {"1"}}, nil, nil, patience)
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Status == http.StatusForbidden && refused.spoken {
		return nil
	}
	return err
}

// pathOf is a channel's, escaped.
func pathOf(channel string) string { return "/channels/" + url.PathEscape(channel) }

// given are the parameters that are not "".
func given(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return values
}

// patience is for the answer to a request that the server need not wait to answer.
const patience = 15 * time.Second
