// Reading what is asked, and answering it.

package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// stamp is a time as all our JSON has it: RFC 3339 with milliseconds, in UTC.
type stamp struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (s stamp) MarshalJSON() ([]byte, error) {
	return s.UTC().AppendFormat([]byte(`"`), `2006-01-02T15:04:05.000Z"`), nil
}

// problem is a refusal as callers read it (RFC 9457).
type problem struct {
	Type   string   `json:"type"` // no page of its own: the title says what the status means
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Code   hub.Code `json:"code"`
	Detail string   `json:"detail"`
}

// refuse answers with the refusal that err stands for, and tells the log.
func (c *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, sentence := hub.RefusalOf(err)
	switch refusal.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="ringdown console"`)
	}
	c.note(r, refusal.Status, err)
	write(w, refusal.Status, "application/problem+json",
		problem{"about:blank", http.StatusText(refusal.Status), refusal.Status, refusal.Code, sentence})
}

// note tells the log of a refusal. Anybody can bring them about, so those beyond so many a second are counted only, but at level Debug.
func (c *Handler) note(r *http.Request, status int, err error) {
	values := []any{"remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "status", status}
	if !c.log.Enabled(r.Context(), slog.LevelDebug) {
		unlogged, ok := c.refusals.Due()
		if !ok {
			return
		}
		values = append(values, "unlogged", unlogged)
	}
	c.log.Info("refused", append(values, hub.Explain(err)...)...)
}

// write answers with a value as JSON.
func write(w http.ResponseWriter, status int, media string, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // who has gone needs no answer
	return nil
}

// marshal is a line of JSON.
func marshal(value any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return line.Bytes(), err
}

// read reads the body, one JSON object, into a struct. A field that there is not is refused, for it is a misspelt one. An empty body
// leaves into as it is.
func (r *request) read(into any) error {
	body, err := io.ReadAll(r.Body)
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hub.Errorf(hub.TooLarge, "the body is longer than the %d bytes that are taken; send less", over.Limit)
	} else if err != nil {
		return hub.Errorf(hub.BadRequest, "the body cannot be read: %w", err)
	}
	if len(body) == 0 {
		return nil
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return hub.Errorf(hub.UnsupportedMedia, "Content-Type is %.100q; send application/json", r.Header.Get("Content-Type"))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return hub.Errorf(hub.BadRequest, "the body cannot be read: %.200s; see docs/console.md", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return hub.Errorf(hub.BadRequest, "something follows the end of the object in the body; send nothing but the object")
	}
	return nil
}

// parameters are those of a query.
type parameters map[string]string

// parameters reads the query. A parameter that is not among names is refused, for it is a misspelt one.
func (r *request) parameters(names ...string) (parameters, error) {
	return parseQuery(r.URL.RawQuery, names)
}

func parseQuery(query string, names []string) (parameters, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, hub.Errorf(hub.BadRequest, "the query cannot be read: %w; escape what is not a letter or digit with %%", err)
	}
	p := parameters{}
	for name, given := range values {
		if !slices.Contains(names, name) {
			return nil, hub.Errorf(hub.BadRequest, "there is no parameter %.40q; there are %s", name, strings.Join(names, ", "))
		}
		if len(given) > 1 {
			return nil, hub.Errorf(hub.BadRequest, "the parameter %s comes %d times; give it once", name, len(given))
		}
		p[name] = given[0]
	}
	return p, nil
}

// limit is how many entries are asked for.
func (p parameters) limit() (int, error) {
	text, given := p["limit"]
	if !given {
		return defaultPage, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n < 1 || n > MaxPage {
		return 0, hub.Errorf(hub.BadRequest, "limit is %.40q; it is a number from 1 to %d", text, MaxPage)
	}
	return int(n), nil
}

// number is a parameter that counts something, and whether it is given.
func (p parameters) number(name string) (n uint64, given bool, err error) {
	text, given := p[name]
	if !given {
		return 0, false, nil
	}
	if n, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, true, hub.Errorf(hub.BadRequest, "%s is %.40q; it is a whole number", name, text)
	}
	return n, true, nil
}

// choice is a parameter that is one of some words, the first if it is not given.
func (p parameters) choice(name string, words ...string) (string, error) {
	text, given := p[name]
	if !given {
		return words[0], nil
	}
	if !slices.Contains(words, text) {
		return "", hub.Errorf(hub.BadRequest, "%s is %.40q; it is one of %s", name, text, strings.Join(words, ", "))
	}
	return text, nil
}
