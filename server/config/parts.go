// The configuration of a node, its lower half: who may do what, and who is told.

package config

import "time"

// Rule is what holds in the channels that match a pattern. A key that is left out is what setDefaults says.
type Rule struct {
	Pattern    string  `key:"pattern" need:"yes" example:"chat:*" doc:"names of channels: * is any run of characters, ? is one, [a-z] one of a class"`
	Subscribe  string  `key:"subscribe" oneof:"everyone, users, server" doc:"who may subscribe: everyone, users that are known, or no client"`
	Publish    string  `key:"publish" oneof:"everyone, users, server" doc:"who may publish: everyone, users that are known, or the server alone"`
	History    History `key:"history" doc:"what is kept for clients that come back and for those that ask"`
	Last       bool    `key:"last" doc:"tell a new subscriber the last publication; where slow is conflate, the last of each key"`
	Presence   bool    `key:"presence" doc:"let subscribers see who else is there"`
	Slow       string  `key:"slow" oneof:"disconnect, drop_oldest, conflate" doc:"what happens to a subscriber that reads too slowly: it is cut, loses what has waited longest, or gets the newest of each key"`
	Backlog    Size    `key:"backlog" doc:"how much may wait for one slow subscriber where slow is drop_oldest or conflate"`
	MaxPayload Size    `key:"max_payload" zero:"any" doc:"longest payload; 0 is limits.message_size"`
}

// History is what a channel keeps.
type History struct {
	Count int           `key:"count" zero:"any" doc:"publications kept; 0 keeps none"`
	Age   time.Duration `key:"age" zero:"any" doc:"how long they are kept; 0 is until newer ones take their place"`
}

// setDefaults gives a rule of which only the pattern is said what the hub gives it.
func (r *Rule) setDefaults() {
	*r = Rule{Subscribe: "everyone", Publish: "server", Slow: "disconnect", Backlog: 256 << 10}
}

// Auth says how clients prove who they are.
type Auth struct {
	Keys      []AuthKey     `key:"keys" live:"yes" doc:"keys that verify tokens (JWT); without any, no token is taken"`
	Issuer    string        `key:"issuer" live:"yes" example:"https://login.example.com" doc:"what a token's iss must be; empty takes every issuer that signs with one of the keys"`
	Audience  string        `key:"audience" live:"yes" example:"ringdown" doc:"what a token's aud must name; empty takes only tokens without"`
	Leeway    time.Duration `key:"leeway" live:"yes" zero:"any" doc:"how far the clocks of issuers may be off"`
	MaxTTL    time.Duration `key:"max_ttl" live:"yes" doc:"longest life of a token"`
	Cookie    string        `key:"cookie" live:"yes" example:"token" doc:"name of a cookie that may hold the token; empty looks at none"`
	Query     string        `key:"query" live:"yes" doc:"name of the query parameter that may hold the token; empty looks at none"`
	Anonymous bool          `key:"anonymous" live:"yes" doc:"let clients without a token connect; the rules say what they may"`
}

// AuthKey is a key, or a source of several: one of secret, secret_file, file and url.
type AuthKey struct {
	ID         string `key:"id" doc:"key id (kid) to which keys answer that have none of their own"`
	Secret     Secret `key:"secret" doc:"secret shared with those who mint tokens, for HS256, 32 bytes or more; a file is the better place"`
	SecretFile string `key:"secret_file" doc:"file with such a secret"`
	File       string `key:"file" doc:"file with keys in PEM or as a JWK or JWKS; read again when it changes"`
	URL        string `key:"url" example:"https://login.example.com/.well-known/jwks.json" doc:"where an issuer publishes its JWKS; https, or http to this machine"`
}

// Backend is the user's own service.
type Backend struct {
	Connect        string        `key:"connect" example:"https://app.example.com/ringdown/connect" doc:"URL asked before a client may connect; empty asks nobody"`
	Subscribe      string        `key:"subscribe" doc:"URL asked before a client may subscribe"`
	Publish        string        `key:"publish" doc:"URL asked before a client may publish"`
	Call           string        `key:"call" doc:"URL that answers the calls of clients"`
	Disconnect     string        `key:"disconnect" doc:"URL told that a client has gone"`
	ConnectHeaders []string      `key:"connect_headers" example:"Accept-Language" doc:"headers of the opening request that connect is told; none by default"`
	ConnectCookies []string      `key:"connect_cookies" example:"app_session" doc:"cookies of the opening request that connect is told; none by default"`
	ConnectReuse   time.Duration `key:"connect_reuse" zero:"any" doc:"how long the answer that let a client poll or publish over HTTP holds for its next requests of the kind, if it showed a token or one of the cookies; 0 asks each time"`
	Secret         Secret        `key:"secret" doc:"secret that signs what the backend is sent (HMAC), 32 bytes or more; a file is the better place"`
	SecretFile     string        `key:"secret_file" example:"/etc/ringdown/backend.secret" doc:"file with that secret; another one in it takes a restart, of which SIGHUP warns"`
	Timeout        time.Duration `key:"timeout" doc:"how long the backend may take to answer, all attempts together"`
	Retries        int           `key:"retries" zero:"any" doc:"how often it is asked again when it cannot be reached or answers 5xx"`
	FailOpen       bool          `key:"fail_open" doc:"allow what the backend would be asked about while it cannot be reached; false refuses. Calls are always refused"`
	Events         Events        `key:"events" doc:"joins, leaves, occupied and vacated channels, told at least once and in order per channel"`
}

// Events say where events go, and where they wait.
type Events struct {
	URL      string `key:"url" example:"https://app.example.com/ringdown/events" doc:"URL that events are sent to; empty sends none"`
	Dir      string `key:"dir" example:"/var/lib/ringdown/events" doc:"directory in which they wait; empty keeps them in memory, where a restart loses them"`
	MaxBytes Size   `key:"max_bytes" doc:"how much may wait; then the oldest are dropped"`
}

// SocketIO says how Socket.IO clients are served.
type SocketIO struct {
	Enabled       bool          `key:"enabled" doc:"serve them"`
	Path          string        `key:"path" example:"/socket.io/" doc:"where, with and without the slash at its end; what clients call path"`
	PingInterval  time.Duration `key:"ping_interval" doc:"how long after a handshake, or an answer, a client is sent a ping; below the shortest time-out of any proxy on the way, which is often 60s"`
	PingTimeout   time.Duration `key:"ping_timeout" doc:"how long the answer may take; then the connection is cut"`
	Recovery      time.Duration `key:"recovery" zero:"any" doc:"how long a client may be away and still go on where it was, with its id, its channels and what it has missed, as far as their history goes; 0 makes all that come back new ones"`
	ClientLibrary string        `key:"client_library" example:"/srv/node_modules/socket.io/client-dist" doc:"directory with the official client's files, for pages that load /socket.io/socket.io.js from here; empty serves none"`
}

// API says who may use the HTTP API.
type API struct {
	Keys []APIKey `key:"keys" live:"yes" doc:"keys of your own services; without any, the API is closed, but in dev mode open to programs on this machine"`
}

// APIKey is one key of the HTTP API.
type APIKey struct {
	Name       string   `key:"name" need:"yes" example:"shop" doc:"how the key is called in logs"`
	Secret     Secret   `key:"secret" doc:"the key itself, 32 bytes or more; a file is the better place"`
	SecretFile string   `key:"secret_file" doc:"file with the key"`
	Rights     []string `key:"rights" need:"yes" oneof:"publish, read, manage, all" doc:"what its holder may do: publish; read channels, history, sessions and the state of the node; manage clients and revoke tokens"`
	Channels   []string `key:"channels" example:"chat:*" doc:"patterns of the channels that the key is bound to; none binds it to no channel"`
}

// Console says who may use the console.
type Console struct {
	Token     Secret `key:"token" doc:"what lets an operator in, 16 bytes or more; a file is the better place. Without one there is no console, but in dev mode one is made up at each start, and written to the log with the console's address"`
	TokenFile string `key:"token_file" example:"/etc/ringdown/console.token" doc:"file with that token"`
}

// Metrics says who may read them.
type Metrics struct {
	Public bool `key:"public" doc:"let everybody who reaches the node read them; otherwise, on the listeners for clients, only programs on this machine itself, not through a proxy, and those with an API key that has the right to read and is bound to no channel"`
}

// Log says how much is logged, and how.
type Log struct {
	Format string `key:"format" oneof:"text, json" doc:"text for people, json for programs"`
	Level  string `key:"level" live:"yes" oneof:"debug, info, warn, error" doc:"least weight of what is logged"`
}

// Tracing says where traces go.
type Tracing struct {
	Endpoint   string   `key:"endpoint" example:"http://localhost:4318" doc:"URL of a collector that takes OTLP over HTTP; without a path it is the usual /v1/traces; empty traces nothing"`
	Ratio      float64  `key:"ratio" zero:"any" doc:"share of the traces that are kept, of those that begin at the node; of one that an API caller began it is kept what the caller keeps"`
	Service    string   `key:"service" doc:"what the node is called in traces (service.name)"`
	Attributes []string `key:"attributes" example:"deployment.environment.name=production" doc:"further attributes of the node, name=value"`
}

// State says where a node that stops leaves what the next one goes on with.
type State struct {
	File   string        `key:"file" example:"/var/lib/ringdown/state" doc:"file that a node which is stopped writes, and the next one reads and removes: history, cursors and idempotency keys outlive a restart; one for each node, in a directory in which it may write; empty keeps nothing"`
	MaxAge time.Duration `key:"max_age" doc:"an older file is not used"`
}

// Drain is how a node stops.
type Drain struct {
	ReadyDelay time.Duration `key:"ready_delay" live:"yes" zero:"any" doc:"how long /readyz says no before the first client is told, so that balancers look elsewhere"`
	Window     time.Duration `key:"window" live:"yes" min:"1000000" doc:"time over which clients are told to go, evenly, each with a random time within it after which to come back; less where they are few, 10ms for each; what is left five seconds after its end is cut"`
}

// drainGrace is how long the clients that are told last may take to go.
const drainGrace = 5 * time.Second

// Deadline is how long a node may take to stop: the delay, the window, and what the last clients may take to go.
func (d Drain) Deadline() time.Duration { return d.ReadyDelay + d.Window + drainGrace }

// Default is what a node does that is told nothing: reachable from this machine only, read-only, closed to pages of other origins.
func Default() Config {
	return Config{
		Listen: Listen{Address: "127.0.0.1:8000"},
		Limits: Limits{
			HandshakeTimeout: 10 * time.Second, RequestTimeout: 15 * time.Second, AnswerTimeout: 30 * time.Second, IdleTimeout: time.Minute,
			HeaderSize:  32 << 10,
			MessageSize: 64 << 10, MessageTimeout: 30 * time.Second,
			Connections: 100_000, ConnectionsPerAddress: 1000, NewConnections: 100, NewConnectionsInAll: 10_000, SessionsPerUser: 100,
			Subscriptions: 256, Calls: 16,
			Session: Rate{Messages: 100, Bytes: 1 << 20}, User: Rate{Messages: 200, Bytes: 2 << 20}, Address: Rate{Messages: 2000, Bytes: 16 << 20},
			Burst:       2 * time.Second,
			OutboxBytes: 1 << 20, OutboxAge: 30 * time.Second, HistoryBytes: 256 << 20,
		},
		KeepAlive: KeepAlive{Interval: 20 * time.Second, Timeout: 10 * time.Second},
		Auth:      Auth{Leeway: 30 * time.Second, MaxTTL: 24 * time.Hour, Query: "token", Anonymous: true},
		Backend:   Backend{ConnectReuse: 5 * time.Second, Timeout: 5 * time.Second, Retries: 2, Events: Events{MaxBytes: 64 << 20}},
		SocketIO:  SocketIO{Enabled: true, Path: "/socket.io/", PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, Recovery: 2 * time.Minute},
		Log:       Log{Format: "text", Level: "info"},
		Tracing:   Tracing{Ratio: 1, Service: "ringdown"},
		Drain:     Drain{Window: 10 * time.Second},
		State:     State{MaxAge: time.Hour},
		Broker: Broker{URL: Memory, Prefix: "ringdown", Timeout: 5 * time.Second, NodeTimeout: 30 * time.Second,
			Cluster:  Cluster{QueryTimeout: 2 * time.Second},
			NATS:     NATS{MaxCount: 10_000, MaxAge: 7 * 24 * time.Hour},
			RabbitMQ: RabbitMQ{LogBytes: 256 << 20}},
	}
}
