// POST: the body is published, and the answer says where it went.

package channelhttp

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/hub"
)

// receipt is the answer.
type receipt struct {
	Channel     string          `json:"channel"`
	Offset      uint64          `json:"offset"`
	Cursor      string          `json:"cursor"`
	Time        json.RawMessage `json:"time"`
	Subscribers int             `json:"subscribers"`
	Lagging     int             `json:"lagging"`
	Duplicate   bool            `json:"duplicate,omitempty"`
}

// silent is a session that only publishes.
type silent struct{}

func (silent) Receive(*hub.Publication) hub.Reception { return hub.Refused }
func (silent) Notify(*hub.Notice)                     {}
func (silent) End(error)                              {}
func (silent) Describe() hub.Description {
	return hub.Description{Transport: "post", Protocol: "json", Passing: true, Fixed: true}
}

func (g *Gateway) publish(w http.ResponseWriter, r *http.Request, q *request) error {
	if q.several() {
		return hub.Errorf(hub.BadRequest, "one publication goes to one channel, and the request names %d; send a request for each", len(q.channels))
	}
	p, err := g.publication(w, r, q.channels[0])
	if err != nil {
		return err
	}
	session, err := g.hub.Open(silent{}, q.who)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Admit(len(p.Payload)); err != nil {
		return err
	}
	got, err := session.Publish(r.Context(), p, hub.PublishOptions{IdempotencyKey: r.Header.Get("Idempotency-Key")})
	if err != nil {
		return err
	}
	if got.Late > 0 {
		time.Sleep(line.CatchUp)
	}
	answer := receipt{p.Channel, got.Offset, got.Cursor(), message.AppendTime(nil, got.Time), got.Subscribers, got.Lagging, got.Duplicate}
	status := http.StatusCreated
	if got.Duplicate {
		status = http.StatusOK
	}
	body, _ := json.Marshal(answer)
	answerJSON(w, status, append(body, '\n'))
	return nil
}

func answerJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// publication is what the request asks to publish.
func (g *Gateway) publication(w http.ResponseWriter, r *http.Request, channel string) (*hub.Publication, error) {
	kind, err := kindOf(r.Header)
	if err != nil {
		return nil, err
	}
	event, err := named(r, "event", "Ringdown-Event")
	if err != nil {
		return nil, err
	}
	key, err := named(r, "key", "Ringdown-Key")
	if err != nil {
		return nil, err
	}
	if len(r.Header["Idempotency-Key"]) > 1 {
		return nil, hub.Errorf(hub.BadRequest, "Idempotency-Key is sent %d times; send it once", len(r.Header["Idempotency-Key"]))
	}
	payload, err := body(w, r, int64(g.hub.Rule(channel).MaxPayload), channel)
	if err != nil {
		return nil, err
	}
	return &hub.Publication{Channel: channel, Event: event, Key: key, Kind: kind, Payload: payload}, nil
}

// named is a parameter that may also come as a field of the header. Given both ways, it must be the same.
func named(r *http.Request, parameter, field string) (string, error) {
	given := append(r.URL.Query()[parameter], r.Header[field]...)
	if len(given) == 0 {
		return "", nil
	}
	for _, other := range given[1:] {
		if other != given[0] {
			return "", hub.Errorf(hub.BadRequest, "the %s is given as %.40q and as %.40q; give it once, as ?%s= or as %s",
				parameter, given[0], other, parameter, field)
		}
	}
	return given[0], nil
}

// body reads the payload.
func body(w http.ResponseWriter, r *http.Request, limit int64, channel string) ([]byte, error) {
	tooLarge := hub.Errorf(hub.TooLarge, "the body is longer than the %d bytes that are taken in %q", limit, channel)
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge
	}
	if err != nil {
		return nil, hub.Errorf(hub.BadRequest, "the body could not be read to its end: %w", err)
	}
	return payload, nil
}

// kindOf is what the payload is, by Content-Type. Without one it is text, and as "curl -d" sends it, too.
func kindOf(header http.Header) (hub.Kind, error) {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return 0, hub.Errorf(hub.UnsupportedMedia, "Content-Encoding is %.40q; send the body as it is", coding)
	}
	text := header.Get("Content-Type")
	if text == "" {
		return hub.Text, nil
	}
	media, parameters, err := mime.ParseMediaType(text)
	if err != nil {
		return 0, hub.Errorf(hub.UnsupportedMedia, "Content-Type is %.100q, which cannot be read: %w", text, err)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return 0, hub.Errorf(hub.UnsupportedMedia, "the charset is %.40q; send UTF-8", charset)
	}
	family, kind, _ := strings.Cut(media, "/")
	switch {
	case media == "application/json" || strings.HasSuffix(kind, "+json"):
		return hub.JSON, nil
	case media == "application/octet-stream" || family == "image" || family == "audio" || family == "video":
		return hub.Binary, nil
	case family == "text" || media == "application/x-www-form-urlencoded":
		return hub.Text, nil
	}
	return 0, hub.Errorf(hub.UnsupportedMedia, "Content-Type is %.100q; send application/json, text/plain or application/octet-stream", media)
}
