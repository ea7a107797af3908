// Publishing: in one channel, in many, or many publications at once.

package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/ringdown/ringdown/hub"
)

// publication is what is to be published.
type publication struct {
	Channel        string          `json:"channel"`
	Data           json.RawMessage `json:"data"`
	Encoding       string          `json:"encoding"`
	Event          string          `json:"event"`
	Key            string          `json:"key"`
	User           string          `json:"user"`
	IdempotencyKey string          `json:"idempotency_key"`
}

// receipt tells where a publication went.
type receipt struct {
	Channel     string `json:"channel"`
	Offset      uint64 `json:"offset"`
	Cursor      string `json:"cursor"`
	Time        stamp  `json:"time"`
	Subscribers int    `json:"subscribers"`
	Lagging     int    `json:"lagging"`
	Duplicate   bool   `json:"duplicate,omitempty"`
}

// result is what became of one of several publications: a receipt, or an error.
type result struct {
	Channel string   `json:"channel"`
	Receipt *receipt `json:"receipt,omitempty"`
	Error   *failure `json:"error,omitempty"`
}

// results are in the order of what was asked.
type results struct {
	Published int      `json:"published"`
	Refused   int      `json:"refused"`
	Results   []result `json:"results"`
}

// publish publishes one thing, in one channel or in many.
func (a *Handler) publish(r *request) (int, any, error) {
	var asked struct {
		publication
		Channels []string `json:"channels"`
	}
	if err := r.read(&asked); err != nil {
		return 0, nil, err
	}
	fallback, err := idempotencyKey(r)
	if err != nil {
		return 0, nil, err
	}
	if asked.IdempotencyKey == "" {
		asked.IdempotencyKey = fallback
	}
	switch {
	case asked.Channels != nil && asked.Channel != "":
		return 0, nil, hub.Errorf(hub.BadRequest, `the request has "channel" and "channels"; use one of them`)
	case asked.Channels == nil:
		receipt, err := a.publishOne(r, &asked.publication)
		if err != nil {
			return 0, nil, err
		}
		status := http.StatusCreated
		if receipt.Duplicate {
			status = http.StatusOK
		}
		return status, receipt, nil
	}
	if err := countChannels(asked.Channels); err != nil {
		return 0, nil, err
	}
	all := make([]publication, 0, len(asked.Channels))
	for _, channel := range asked.Channels {
		one := asked.publication
		one.Channel = channel
		all = append(all, one)
	}
	return http.StatusOK, a.publishAll(r, all), nil
}

// batch publishes many things.
func (a *Handler) batch(r *request) (int, any, error) {
	var asked struct {
		Publications []publication `json:"publications"`
	}
	if err := r.read(&asked); err != nil {
		return 0, nil, err
	}
	fallback, err := idempotencyKey(r)
	if err != nil {
		return 0, nil, err
	}
	switch n := len(asked.Publications); {
	case n == 0:
		return 0, nil, hub.Errorf(hub.BadRequest, `the batch is empty; list what is to be published in "publications"`)
	case n > MaxBatch:
		return 0, nil, hub.Errorf(hub.TooManyCommands, "the batch has %d publications, and none was published; at most %d are taken at once", n, MaxBatch)
	}
	for i := range asked.Publications {
		if p := &asked.Publications[i]; p.IdempotencyKey == "" && fallback != "" {
			p.IdempotencyKey = fallback + "/" + strconv.Itoa(i)
		}
	}
	return http.StatusOK, a.publishAll(r, asked.Publications), nil
}

// idempotencyKey is that of the whole request, or "".
func idempotencyKey(r *request) (string, error) {
	given := r.Header["Idempotency-Key"]
	switch {
	case len(given) == 0:
		return "", nil
	case len(given) > 1:
		return "", hub.Errorf(hub.BadRequest, "Idempotency-Key is sent %d times; send it once", len(given))
	case len(given[0]) > hub.MaxIdempotencyKey-8: // a batch adds "/" and a number
		return "", hub.Errorf(hub.TooLarge, "the Idempotency-Key has %d bytes; at most %d are taken", len(given[0]), hub.MaxIdempotencyKey-8)
	}
	return given[0], nil
}

func countChannels(channels []string) error {
	switch n := len(channels); {
	case n == 0:
		return hub.Errorf(hub.BadRequest, `"channels" is empty; name at least one`)
	case n > MaxChannels:
		return hub.Errorf(hub.TooManyCommands, "the request names %d channels; at most %d are taken at once", n, MaxChannels)
	}
	return nil
}

// publishAll publishes one after another. What is refused keeps the others from nothing.
func (a *Handler) publishAll(r *request, all []publication) results {
	done := results{Results: make([]result, 0, len(all))}
	for i := range all {
		one := result{Channel: all[i].Channel}
		got, err := a.publishOne(r, &all[i])
		if err != nil {
			one.Error = failureOf(err)
			done.Refused++
		} else {
			one.Receipt = got
			done.Published++
		}
		done.Results = append(done.Results, one)
	}
	return done
}

func (a *Handler) publishOne(r *request, asked *publication) (*receipt, error) {
	if err := r.key.checkChannel(asked.Channel); err != nil {
		return nil, err
	}
	if err := checkUser(asked.User); asked.User != "" && err != nil {
		return nil, err
	}
	kind, payload, err := asked.payload()
	if err != nil {
		return nil, err
	}
	p := &hub.Publication{Channel: asked.Channel, Event: asked.Event, Key: asked.Key, Kind: kind, Payload: payload, User: asked.User}
	got, err := a.hub.Publish(r.Context(), p, hub.PublishOptions{IdempotencyKey: asked.IdempotencyKey})
	if err != nil {
		return nil, err
	}
	return &receipt{asked.Channel, got.Offset, got.Cursor(), stamp{got.Time}, got.Subscribers, got.Lagging, got.Duplicate}, nil
}

// payload is what the data is, as in a command of the native protocol: a string is text, any other value is JSON, and with the
// encoding base64 a string stands for bytes.
func (p *publication) payload() (hub.Kind, []byte, error) {
	if len(p.Data) == 0 {
		return 0, nil, hub.Errorf(hub.BadRequest, `there is no "data"; it is what is published, any JSON value`)
	}
	text, isText := "", p.Data[0] == '"'
	if isText {
		json.Unmarshal(p.Data, &text) // it is sound: it was a part of the body
	}
	switch {
	case p.Encoding == "" && isText:
		return hub.Text, []byte(text), nil
	case p.Encoding == "":
		return hub.JSON, bytes.Clone(p.Data), nil
	case p.Encoding != "base64":
		return 0, nil, hub.Errorf(hub.BadPayload, `the encoding %.40q is not known; use "base64" for bytes, or none`, p.Encoding)
	case !isText:
		return 0, nil, hub.Errorf(hub.BadPayload, `with "encoding":"base64" the data must be a string of base64`)
	}
	payload, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return 0, nil, hub.Errorf(hub.BadPayload, "the data is said to be base64 but is not: %w; use the standard alphabet, with padding", err)
	}
	return hub.Binary, payload, nil
}
