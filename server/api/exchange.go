// Reading what is asked, and answering it.

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// retryAfter is when somebody who was refused with 503 or 429 may come back, in seconds.
const retryAfter = "5"

// problem is a refusal as callers read it (RFC 9457).
type problem struct {
	Type   string   `json:"type"` // no page of its own: the title says what the status means
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Code   hub.Code `json:"code"`
	Detail string   `json:"detail"`
}

// failure is a refusal of a part of what was asked.
type failure struct {
	Code   hub.Code `json:"code"`
	Detail string   `json:"detail"`
}

func failureOf(err error) *failure {
	refusal, sentence := hub.RefusalOf(known(err))
	return &failure{refusal.Code, sentence}
}

// known gives the errors a code that the hub has none for.
func known(err error) error {
	switch {
	case errors.Is(err, hub.ErrEnded):
		return hub.Errorf(hub.NotFound, "the session has ended")
	case errors.Is(err, hub.ErrShutdown):
		return hub.Errorf(hub.ShuttingDown, "the server is shutting down; ask again in a few seconds")
	}
	return err
}

// refuse answers with the refusal that err stands for.
func (a *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, sentence := hub.RefusalOf(known(err))
	a.note(r, refusal.Status, known(err))
	switch refusal.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="ringdown"`)
	}
	write(w, refusal.Status, "application/problem+json",
		problem{"about:blank", http.StatusText(refusal.Status), refusal.Status, refusal.Code, sentence})
}

// note tells the log of a refusal. Anybody can bring them about, so those beyond so many a second are counted only, but at level Debug.
func (a *Handler) note(r *http.Request, status int, err error) {
	values := []any{"remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "origin", r.Header.Get("Origin"), "status", status}
	if !a.log.Enabled(r.Context(), slog.LevelDebug) {
		unlogged, ok := a.refusals.Due()
		if !ok {
			return
		}
		values = append(values, "unlogged", unlogged)
	}
	a.log.Info("refused", append(values, hub.Explain(err)...)...)
}

// write answers with a value as JSON.
func write(w http.ResponseWriter, status int, media string, value any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	w.Write(body.Bytes())
	return nil
}

// read reads the body into a struct. A field that there is not is refused, for it is a misspelt one, and so is one that comes twice.
func (r *request) read(into any) error {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := parameters["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return hub.Errorf(hub.UnsupportedMedia, "Content-Type is %.100q; send application/json", r.Header.Get("Content-Type"))
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return hub.Errorf(hub.UnsupportedMedia, "Content-Encoding is %.40q; send the body as it is", coding)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		return unreadable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something follows its end")
		}
		return unreadable(err)
	}
	return checkFields(body, reflect.TypeOf(into).Elem())
}

func unreadable(err error) error {
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hub.Errorf(hub.TooLarge, "the body is longer than the %d bytes that are taken; send less at a time", over.Limit)
	}
	if refused, ok := errors.AsType[*hub.Error](err); ok {
		return refused
	}
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return hub.Errorf(hub.BadRequest, "%q is %s; see the OpenAPI document for what it must be", mistyped.Field, mistyped.Value)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return hub.Errorf(hub.BadRequest, "the body is no whole JSON object; see the OpenAPI document")
	}
	return hub.Errorf(hub.BadRequest, "the body cannot be read: %.200s", strings.TrimPrefix(err.Error(), "json: "))
}

// parameters reads the query. A parameter that is not among names is refused, for it is a misspelt one.
func (r *request) parameters(names ...string) (parameters, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, hub.Errorf(hub.BadRequest, "the query cannot be read: %w; escape what is not a letter or digit with %%", err)
	}
	p := parameters{}
	for name, given := range values {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			return nil, hub.Errorf(hub.BadRequest, "there is no parameter %.40q; there are %s", name, strings.Join(names, ", "))
		}
		if len(given) > 1 {
			return nil, hub.Errorf(hub.BadRequest, "the parameter %s comes %d times; give it once", name, len(given))
		}
		p[name] = given[0]
	}
	return p, nil
}

// parameters are those of a query.
type parameters map[string]string

// limit is how many entries are asked for, from least to most.
func (p parameters) limit(least, otherwise, most int) (int, error) {
	text, given := p["limit"]
	if !given {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(n) < least || int(n) > most {
		return 0, hub.Errorf(hub.BadRequest, "limit is %.40q; it is a number from %d to %d", text, least, most)
	}
	return int(n), nil
}

// flag is a parameter that is true or false.
func (p parameters) flag(name string) (bool, error) {
	text, given := p[name]
	if !given {
		return false, nil
	}
	if text != "true" && text != "false" {
		return false, hub.Errorf(hub.BadRequest, "%s is %.40q; it is true or false", name, text)
	}
	return text == "true", nil
}

// UnmarshalJSON implements [json.Unmarshaler], for the answers of other nodes.
func (s *stamp) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &s.Time) }
