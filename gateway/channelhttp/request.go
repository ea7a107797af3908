// What a request asks for: its channels, its transport and its parameters, each with a limit.

package channelhttp

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Limits of the parameters.
const (
	maxChannels  = 32 // of one request
	maxWait      = 60 * time.Second
	defaultLimit = 100 // publications in the answer to a poll
	maxLimit     = 1000
)

// transport is how a client that reads is served.
type transport uint8

const (
	polling transport = iota
	eventStream
	webSocket
)

// request is what a request asks for.
type request struct {
	channels  []string // at least one, no two the same
	transport transport
	who       hub.Identity
	resume    bool // there is a cursor
	after     hub.Cursor
	wait      time.Duration
	limit     int
	json      bool // ?format=json
}

// several tells whether publications of more than one channel may come.
func (q *request) several() bool { return len(q.channels) > 1 }

// parse reads a request. The error is an [*hub.Error].
func parse(r *http.Request) (*request, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, hub.Errorf(hub.BadRequest, "the query cannot be read: %w; escape what is not a letter or digit with %%", err)
	}
	q := &request{}
	if q.channels, err = channels(r, values["channel"]); err != nil {
		return nil, err
	}
	one := func(name string) string {
		given := values[name]
		if len(given) > 1 && err == nil {
			err = hub.Errorf(hub.BadRequest, "the parameter %s comes %d times; give it once", name, len(given))
		}
		return strings.Join(given[:min(1, len(given))], "")
	}
	cursor, wait, limit, format, by := one("after"), one("wait"), one("limit"), one("format"), one("transport")
	if err != nil {
		return nil, err
	}
	if q.transport, err = transportOf(r, by); err != nil {
		return nil, err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && q.transport == eventStream {
		cursor = id // newer than that in the URL, which browsers keep when they reconnect
	}
	q.resume = cursor != "" || values.Has("after")
	if q.after, err = hub.ParseCursor(cursor); err != nil {
		return nil, err
	}
	if q.wait, err = parseWait(wait); err != nil {
		return nil, err
	}
	if q.limit, err = parseLimit(limit); err != nil {
		return nil, err
	}
	q.json, err = parseFormat(format)
	return q, err
}

// channels are those that the path and the query name.
func channels(r *http.Request, more []string) (names []string, err error) {
	if name := r.PathValue("channel"); name != "" {
		names = append(names, name)
	}
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if len(names) > maxChannels {
			return nil, hub.Errorf(hub.TooManySubscriptions, "the request names more than %d channels; make several requests", maxChannels)
		}
	}
	if len(names) == 0 {
		return nil, hub.Errorf(hub.BadChannel, "the request names no channel; name it in the path, as in /channels/lobby, or as ?channel=lobby")
	}
	for i, name := range names {
		if err := hub.CheckChannel(name); err != nil {
			return nil, err
		}
		names[i] = strings.Clone(name) // it outlives the request, of which it is a part
	}
	return names, nil
}

// transportOf is the transport that a request asks for, by a parameter or else by its header.
func transportOf(r *http.Request, parameter string) (transport, error) {
	switch parameter {
	case "":
	case "poll":
		return polling, nil
	case "sse":
		return eventStream, nil
	default:
		return 0, hub.Errorf(hub.BadRequest, "the transport is %.40q; it can be sse or poll", parameter)
	}
	switch {
	case names(r.Header["Upgrade"], "websocket"):
		return webSocket, nil
	case accepts(r.Header["Accept"], "text/event-stream"):
		return eventStream, nil
	}
	return polling, nil
}

// names tells whether the lines of a field, a comma-separated list, name a token (RFC 9110 §5.6.1).
func names(lines []string, token string) bool {
	for _, line := range lines {
		for entry := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(entry), token) {
				return true
			}
		}
	}
	return false
}

// accepts tells whether the lines of Accept name a media type itself, not by a wildcard (RFC 9110 §12.5.1).
func accepts(lines []string, media string) bool {
	for _, line := range lines {
		for entry := range strings.SplitSeq(line, ",") {
			got, parameters, err := mime.ParseMediaType(entry)
			if err != nil || got != media {
				continue
			}
			weight, err := strconv.ParseFloat(parameters["q"], 64)
			return err != nil || weight > 0
		}
	}
	return false
}

// parseWait reads a duration, "30s", or a number of seconds. More than maxWait is maxWait.
func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if seconds, bad := strconv.ParseUint(text, 10, 31); bad == nil {
		wait, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || wait < 0 {
		return 0, hub.Errorf(hub.BadRequest, "wait is %.40q; write it as 30s, or as a number of seconds; at most %v are waited", text, maxWait)
	}
	return min(wait, maxWait), nil
}

// parseLimit reads how many publications are asked for. More than maxLimit is maxLimit.
func parseLimit(text string) (int, error) {
	if text == "" {
		return defaultLimit, nil
	}
	limit, err := strconv.ParseUint(text, 10, 31)
	if err != nil || limit == 0 {
		return 0, hub.Errorf(hub.BadRequest, "limit is %.40q; it is a number from 1 to %d", text, maxLimit)
	}
	return int(min(limit, maxLimit)), nil
}

func parseFormat(text string) (json bool, err error) {
	switch text {
	case "", "raw":
		return false, nil
	case "json":
		return true, nil
	}
	return false, hub.Errorf(hub.BadRequest, "the format is %.40q; it can be raw or json", text)
}
