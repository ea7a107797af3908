// The configuration of a node, its upper half: where it listens and what it bears.

package config

import "time"

// Config is everything that a node can be told. Its keys, their meaning and their bounds stand in the tags, from which the comments
// of `ringdown config defaults` and the reference page are made. The zero value is no configuration: begin with [Default].
type Config struct {
	Dev       bool      `key:"dev" doc:"to try things: let anybody publish, unless there are rules, and name himself with ?user=; loopback only"`
	Listen    Listen    `key:"listen" doc:"where the node listens"`
	Origins   []string  `key:"origins" live:"yes" example:"https://app.example.com, *.example.org" doc:"web origins beside the node's own whose pages may connect"`
	Limits    Limits    `key:"limits" doc:"what the node bears, and what one client may ask of it; in dev mode what is about rates, addresses and users holds only where it differs from its default"`
	KeepAlive KeepAlive `key:"keep_alive" doc:"how the node finds clients that have gone without a word"`
	Rules     []Rule    `key:"rules" live:"yes" doc:"what holds in which channels: the first rule whose pattern matches; without any, everybody may subscribe everywhere, only the server publishes, and the last 100 publications of five minutes are kept"`
	Auth      Auth      `key:"auth" doc:"who clients are"`
	Backend   Backend   `key:"backend" doc:"your own service, which is asked before clients do things and told what happened"`
	SocketIO  SocketIO  `key:"socketio" doc:"clients that speak Socket.IO (protocol revision 5, clients from version 3 on)"`
	API       API       `key:"api" doc:"the HTTP API for your own services, /api/v1"`
	Console   Console   `key:"console" doc:"what operators see in a browser, /console/"`
	Metrics   Metrics   `key:"metrics" doc:"what the node counts, /metrics"`
	Log       Log       `key:"log" doc:"what is written to standard error"`
	Tracing   Tracing   `key:"tracing" doc:"OpenTelemetry traces of API calls and hooks"`
	Drain     Drain     `key:"drain" doc:"how the node says goodbye when it is told to stop"`
	State     State     `key:"state" doc:"what a node keeps over a restart"`
	Broker    Broker    `key:"broker" doc:"what carries publications and keeps history"`
}

// Listen says where a node listens.
type Listen struct {
	Address        string     `key:"address" example:":8080" doc:"TCP address, host:port; an empty host is every address of the machine; unix:/path is a socket file; with TLS where listen.tls or listen.acme is given, over which clients choose between HTTP/2 and HTTP/1.1"`
	ProxyProtocol  bool       `key:"proxy_protocol" doc:"expect a PROXY protocol header, version 1 or 2, from trusted proxies on each connection"`
	More           []Listener `key:"more" doc:"further listeners"`
	Private        string     `key:"private" example:"127.0.0.1:9000" doc:"address of its own for metrics, pprof and the API; empty leaves metrics and the API to the other listeners, where both ask for a key, and pprof out"`
	TrustedProxies []string   `key:"trusted_proxies" example:"10.0.0.0/8" doc:"addresses or networks (CIDR) of proxies, or unix for whoever connects to a socket file, whose word is taken about the client's address, and about scheme and host, which make the node's own origin: X-Forwarded-For with -Proto and -Host, or the PROXY protocol, which has the address alone"`
	Forwarded      bool       `key:"forwarded" doc:"the trusted proxies write Forwarded (RFC 7239); X-Forwarded-For, -Proto and -Host are then not believed"`
	TLS            TLS        `key:"tls" doc:"certificates from files, which are read again when they change, and on SIGHUP"`
	ACME           ACME       `key:"acme" doc:"certificates from an ACME authority such as Let's Encrypt"`
}

// Listener is one listener more.
type Listener struct {
	Address       string `key:"address" need:"yes" example:":8443" doc:"as listen.address"`
	TLS           bool   `key:"tls" doc:"speak TLS here, with the certificates of listen.tls or listen.acme"`
	ProxyProtocol bool   `key:"proxy_protocol" doc:"as listen.proxy_protocol"`
}

// TLS names the files of a certificate.
type TLS struct {
	Cert string `key:"cert" example:"/etc/ringdown/tls.crt" doc:"file with the certificate and its chain, in PEM"`
	Key  string `key:"key" example:"/etc/ringdown/tls.key" doc:"file with its private key, in PEM"`
}

// ACME says for which names certificates are asked for.
type ACME struct {
	Domains []string `key:"domains" example:"rt.example.com" doc:"names to ask certificates for; the authority must reach the node under them on port 443"`
	Cache   string   `key:"cache" example:"/var/lib/ringdown/acme" doc:"directory that keeps the certificates and their keys"`
	Email   string   `key:"email" example:"ops@example.com" doc:"where the authority writes when something is wrong"`
}

// Limits are all limits of a node. None of them may be 0 unless its text says what that means.
type Limits struct {
	HandshakeTimeout time.Duration `key:"handshake_timeout" doc:"how long a client may take for the head of a request, and a proxy for its PROXY header; a TLS handshake may take 10s"`
	RequestTimeout   time.Duration `key:"request_timeout" doc:"how long a client may take to send a whole request"`
	AnswerTimeout    time.Duration `key:"answer_timeout" doc:"how long a client may take to read the answer to a request"`
	IdleTimeout      time.Duration `key:"idle_timeout" doc:"how long an HTTP connection may be quiet between two requests"`
	HeaderSize       Size          `key:"header_size" min:"4096" doc:"largest head of a request; that of a WebSocket's opening handshake may have at most 8 KiB of it"`

	MessageSize       Size          `key:"message_size" doc:"longest message of a client, after decompression, and longest payload where a rule says nothing else"`
	MessageTimeout    time.Duration `key:"message_timeout" doc:"how long a WebSocket message may take from its first byte to its last"`
	DecompressedRatio int           `key:"decompressed_ratio" zero:"any" doc:"how many times larger than its compressed form a message may be, once it is past 64 KiB; 0 bounds it by message_size alone"`

	Connections           int `key:"connections" live:"yes" doc:"clients connected at once; fewer where the limit on open files is lower"`
	ConnectionsPerAddress int `key:"connections_per_address" zero:"any" doc:"clients connected at once from one address, and HTTP connections; loopback and trusted proxies have no limits of an address, and IPv6 counts by /64; 0 is no bound but connections"`
	NewConnections        int `key:"new_connections" zero:"any" doc:"new connections a second from one address, and new sessions, of which a request that polls or publishes is one; five seconds' worth may come at once; 0 is no bound"`
	NewConnectionsInAll   int `key:"new_connections_in_all" zero:"any" doc:"the same of all addresses together; two seconds' worth may come at once; 0 is no bound"`
	SessionsPerUser       int `key:"sessions_per_user" zero:"any" doc:"sessions of one user at once; 0 is no bound"`
	Subscriptions         int `key:"subscriptions" live:"yes" doc:"channels that one session may be subscribed to at once"`
	Calls                 int `key:"calls" doc:"calls of one client that may be unanswered at a time"`

	Session Rate          `key:"session" doc:"what one session may send"`
	User    Rate          `key:"user" doc:"what all sessions of one user may send together"`
	Address Rate          `key:"address" doc:"what all sessions from one address may send together"`
	Node    Rate          `key:"node" doc:"what all sessions of the node may send together"`
	Burst   time.Duration `key:"burst" doc:"of how long a time the messages and bytes may come at once; a minute at most"`

	OutboxBytes  Size          `key:"outbox_bytes" doc:"how much may wait for one client before it is held for slow"`
	OutboxAge    time.Duration `key:"outbox_age" doc:"how long a message may wait for a client; then the client is cut"`
	HistoryBytes Size          `key:"history_bytes" doc:"memory for the history of all channels"`
}

// Rate bounds messages and bytes.
type Rate struct {
	Messages int  `key:"messages" zero:"any" doc:"messages a second, and as many subscriptions; 0 is no bound"`
	Bytes    Size `key:"bytes" zero:"any" doc:"bytes a second; 0 is no bound"`
}

// KeepAlive says when a quiet client is asked whether it is there.
type KeepAlive struct {
	Interval time.Duration `key:"interval" min:"1000000" doc:"silence after which a WebSocket is sent a ping and an event stream a heartbeat; below the shortest time-out of any proxy on the way, which is often 60s, and with some 30s"`
	Timeout  time.Duration `key:"timeout" min:"1000000" doc:"how long the answer to a ping may take; then the connection is cut"`
}
