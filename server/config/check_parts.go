// What makes no sense in origins, limits and rules.

package config

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/internal/pattern"
)

func (c *checker) origins() {
	for i, origin := range c.Origins {
		if problem := originProblem(origin); problem != "" {
			c.say(fmt.Sprintf("origins[%d]", i), "is %q, %s", origin, problem)
		}
	}
}

// originProblem says why origin could never equal the Origin header of a browser, or must not, or "".
func originProblem(origin string) string {
	if origin == "*" {
		return "which would let every web page act for its visitors; list the origins of your own pages"
	}
	if pattern, ok := strings.CutPrefix(origin, "*."); ok {
		if pattern == "" || strings.ContainsAny(pattern, "*/: ") {
			return `which is not a host pattern; write it as "*.example.com"`
		}
		return ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return `which is not an origin; write it as "https://app.example.com" or "*.example.com"`
	}
	if exact := u.Scheme + "://" + u.Host; exact != origin {
		return fmt.Sprintf("which is more than an origin; write it as %q", exact)
	}
	return ""
}

func (c *checker) limits() {
	l := &c.Limits
	if l.RequestTimeout < l.HandshakeTimeout {
		c.say("limits.request_timeout", "is %s, less than the %s of limits.handshake_timeout, which is a part of it; raise it, or lower that",
			formatDuration(l.RequestTimeout), formatDuration(l.HandshakeTimeout))
	}
	if l.OutboxBytes < l.MessageSize {
		c.say("limits.outbox_bytes", "is %v, and a message of %v (limits.message_size) would not fit; raise it, or lower that", l.OutboxBytes, l.MessageSize)
	}
	if l.HistoryBytes < l.MessageSize {
		c.say("limits.history_bytes", "is %v, and a message of %v (limits.message_size) could not be kept; raise it, or lower that", l.HistoryBytes, l.MessageSize)
	}
	if l.Burst > time.Minute {
		c.say("limits.burst", "is %s, and limits are remembered for a minute; lower it", formatDuration(l.Burst))
	}
	for _, r := range []struct {
		key  string
		rate Rate
	}{{"session", l.Session}, {"user", l.User}, {"address", l.Address}, {"node", l.Node}} {
		if most := float64(r.rate.Bytes) * l.Burst.Seconds(); r.rate.Bytes > 0 && most < float64(l.MessageSize) {
			c.say("limits."+r.key+".bytes", "is %v, with which a message of %v (limits.message_size) could never be sent, for at most %s's worth may come at once (limits.burst); raise it, or lower limits.message_size",
				r.rate.Bytes, l.MessageSize, formatDuration(l.Burst))
		}
	}
}

func (c *checker) tracing() {
	t := &c.Tracing
	if t.Endpoint != "" && !webURL(t.Endpoint) {
		c.say("tracing.endpoint", `is %q; write it as "http://localhost:4318"`, withoutSecrets(t.Endpoint))
	}
	if u, err := url.Parse(t.Endpoint); err == nil && (u.User != nil || u.RawQuery != "") {
		c.say("tracing.endpoint", "is %q with a user or a query, which are not sent; give a collector's key in the environment, as OTEL_EXPORTER_OTLP_HEADERS", withoutSecrets(t.Endpoint))
	}
	if t.Service == "" {
		c.say("tracing.service", "is empty, and a trace would not tell whose it is; leave it out for ringdown")
	}
	for i, attribute := range t.Attributes {
		if name, _, ok := strings.Cut(attribute, "="); !ok || name == "" {
			c.say(fmt.Sprintf("tracing.attributes[%d]", i), "is %.40q; write it as deployment.environment.name=production", attribute)
		}
	}
}

// longestDrain is longer than anybody waits for a node to stop.
const longestDrain = time.Hour

func (c *checker) drain() {
	for _, d := range []struct {
		key  string
		time time.Duration
	}{{"drain.ready_delay", c.Drain.ReadyDelay}, {"drain.window", c.Drain.Window}} {
		if d.time > longestDrain {
			c.say(d.key, "is %s, and the node would not stop before; give it %s or less", formatDuration(d.time), formatDuration(longestDrain))
		}
	}
}

func (c *checker) rules() {
	everything := -1
	seen := make(map[string]int)
	for i, r := range c.Rules {
		key := fmt.Sprintf("rules[%d]", i)
		if err := pattern.Check(r.Pattern); err != nil && r.Pattern != "" {
			c.say(key+".pattern", `is %q, which matches nothing: %v; write it as "chat:*" or "news"`, r.Pattern, err)
		}
		if first, ok := seen[r.Pattern]; ok {
			c.say(key+".pattern", "is %q as in rules[%d], which holds instead of it; make one rule of the two", r.Pattern, first)
		} else if everything >= 0 {
			c.say(key, "comes after rules[%d], whose pattern is *, and so never holds; move it up", everything)
		} else {
			seen[r.Pattern] = i
		}
		if r.Pattern == "*" && everything < 0 {
			everything = i
		}
		c.rule(key, &r)
	}
}

func (c *checker) rule(key string, r *Rule) {
	if r.History.Count == 0 && r.History.Age > 0 {
		c.say(key+".history.age", "is %s, and nothing is kept; give history.count, too, for instance 100", formatDuration(r.History.Age))
	}
	if r.MaxPayload > c.Limits.OutboxBytes {
		c.say(key+".max_payload", "is %v, and would not fit the %v of limits.outbox_bytes; lower it, or raise that", r.MaxPayload, c.Limits.OutboxBytes)
	}
	known := c.Dev || len(c.Auth.Keys) > 0 || c.Backend.Connect != ""
	for _, right := range []struct{ name, who string }{{"subscribe", r.Subscribe}, {"publish", r.Publish}} {
		if right.who == "users" && !known {
			c.say(key+"."+right.name, "is users, and no user can be known; set auth.keys or backend.connect")
		}
	}
}

// ownPaths are where the node has something else, by the first part of the path.
var ownPaths = []string{"api", "assets", "channels", "chat", "compare", "connect", "console", "cursors", "dashboard", "editor", "everyone", "favicon.svg",
	"game", "livez", "metrics", "notifications", "plain", "readyz", "scores", "sensors"}

func (c *checker) socketIO() {
	p := c.SocketIO.Path
	first, _, _ := strings.Cut(strings.Trim(p, "/"), "/")
	switch {
	case !strings.HasPrefix(p, "/") || first == "" || path.Clean(p) != strings.TrimSuffix(p, "/") || strings.ContainsAny(p, "{}?#% "):
		c.say("socketio.path", `is %q, which is no path of its own; write it as "/socket.io/"`, p)
	case slices.Contains(ownPaths, first), path.Ext(p) == ".js", path.Ext(p) == ".css", path.Ext(p) == ".svg":
		c.say("socketio.path", `is %q, where the node has something else; choose another path, for instance "/socket.io/"`, p)
	}
	for key, d := range map[string]time.Duration{"ping_interval": c.SocketIO.PingInterval, "ping_timeout": c.SocketIO.PingTimeout} {
		if d > 0 && d < time.Millisecond {
			c.say("socketio."+key, "is %s, and clients are told whole milliseconds; give it 1ms or more", formatDuration(d))
		}
	}
}
