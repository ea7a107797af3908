// The broker: what carries publications, and between which nodes.

package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Broker says what carries publications and keeps history.
type Broker struct {
	URL         string        `key:"url" example:"redis://redis.internal:6379" doc:"memory for a single node, or the address of what all nodes share: redis://, and others as docs/brokers.md lists them; several of a kind are separated by spaces; a password is best passed by RINGDOWN_BROKER_URL"`
	Prefix      string        `key:"prefix" doc:"begins the name of everything that is kept there; deployments that share it need one each; 1 to 64 letters, digits, -, _, . and :, with NATS 1 to 32 letters, digits, - and _"`
	Node        string        `key:"node" example:"node-1" doc:"this node's name, which no other has: letters, digits, - and _; empty makes one up at each start"`
	Timeout     time.Duration `key:"timeout" doc:"how long one answer of the broker may take"`
	PublishWait time.Duration `key:"publish_wait" zero:"any" doc:"how long a publication waits while the broker is away; 0 refuses it at once"`
	NodeTimeout time.Duration `key:"node_timeout" doc:"after how long without a sign of life a node is dead, and who was connected to it leaves; the same on all nodes"`
	Cluster     Cluster       `key:"cluster" doc:"how the nodes reach each other"`
	Embedded    Embedded      `key:"embedded" doc:"a NATS server inside each node, so that a few nodes share with nothing else installed; in place of broker.url"`
	NATS        NATS          `key:"nats" doc:"what NATS keeps, its own or the embedded one; the same on all nodes"`
	RabbitMQ    RabbitMQ      `key:"rabbitmq" doc:"what RabbitMQ keeps; the same on all nodes"`
}

// Cluster says how nodes reach each other beside the broker.
type Cluster struct {
	Listen       string        `key:"listen" example:"10.0.0.5:7946" doc:"address of its own for the other nodes, in a network of theirs: requests of Socket.IO clients that poll come here from whichever node they reached; empty asks for a balancer that sends each client to one node"`
	Advertise    string        `key:"advertise" example:"node-1.internal:7946" doc:"where the other nodes reach that address; empty is the address itself"`
	Secret       Secret        `key:"secret" doc:"secret by which nodes know each other, the same on all, 32 bytes or more; a file is the better place"`
	SecretFile   string        `key:"secret_file" example:"/etc/ringdown/cluster.secret" doc:"file with that secret"`
	TLS          NodeTLS       `key:"tls" doc:"TLS between nodes, in both directions: at listen, and between the servers of broker.embedded; on all nodes or none"`
	QueryTimeout time.Duration `key:"query_timeout" doc:"how long the API waits for the other nodes' share of an answer; those that have not answered are named in it"`
}

// NodeTLS names the files by which nodes know each other, and nobody else reads what they say.
type NodeTLS struct {
	Cert string `key:"cert" example:"/etc/ringdown/node.crt" doc:"file with this node's certificate and its chain, in PEM, for servers and clients; it names the addresses at which the other nodes reach this one"`
	Key  string `key:"key" example:"/etc/ringdown/node.key" doc:"file with its private key, in PEM; when the pair changes it is read again"`
	CA   string `key:"ca" example:"/etc/ringdown/nodes-ca.crt" doc:"file with the certificates of the authority that signs those of the nodes, and of nobody else, in PEM"`
}

// On tells whether nodes speak TLS to each other.
func (t *NodeTLS) On() bool { return t.Cert != "" }

// Embedded is a NATS server inside each node.
type Embedded struct {
	Nodes  []string `key:"nodes" example:"nats://10.0.0.1:6222, nats://10.0.0.2:6222, nats://10.0.0.3:6222" doc:"addresses at which all nodes, this one among them, reach each other's server; the first that is this machine's, or has no host, is this node's own, so all may have the same list; off this machine broker.cluster.secret or its file, or broker.cluster.tls keeps strangers out; three bear the loss of one"`
	Listen string   `key:"listen" example:"0.0.0.0:6222" doc:"address to listen at for them, where that is another than this node's own; empty is that"`
	Dir    string   `key:"dir" example:"/var/lib/ringdown" doc:"directory in which the server stores, in a folder named after the node; empty is the systemd unit's StateDirectory, or else ringdown-data where the node was started"`
}

// NATS says what NATS keeps.
type NATS struct {
	Replicas int           `key:"replicas" zero:"any" doc:"on how many servers everything is stored, at most 5; 0 is one, and with broker.embedded as many as there are nodes, at most three"`
	MaxCount int           `key:"max_count" doc:"publications kept of a channel at most, whatever its rule says"`
	MaxAge   time.Duration `key:"max_age" doc:"how long anything is kept of a channel at most, whatever its rule says; an hour or more"`
}

// RabbitMQ says what RabbitMQ keeps.
type RabbitMQ struct {
	LogBytes Size `key:"log_bytes" doc:"how large each of its four logs may become, on its disk and nearly so in each node's memory; the history of all channels must fit into a third; for queues that are there RabbitMQ does not change it"`
}

// Memory is the broker.url of a node by itself.
const Memory = "memory"

// Shared tells whether the broker is one of several nodes.
func (b *Broker) Shared() bool { return b.URL != Memory || b.Embedded.On() }

// On tells whether a node has a NATS server of its own.
func (e *Embedded) On() bool { return len(e.Nodes) > 0 }

// NATSRoutePort is the port of an address in broker.embedded.nodes that names none.
const NATSRoutePort = "6222"

// Addresses are broker.embedded.nodes as host:port. The host of this node's own may be empty. The error is a sentence without its subject,
// about the element of that index.
func (e *Embedded) Addresses() (all []string, index int, err error) {
	for i, node := range e.Nodes {
		rest, found := strings.CutPrefix(strings.TrimSpace(node), "nats://")
		address := strings.TrimSuffix(rest, "/")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), NATSRoutePort)
		}
		_, port, _ := net.SplitHostPort(address)
		switch {
		case !found || strings.ContainsAny(rest, "@?") || addressProblem(address) != "" || port == "0":
			return nil, i, fmt.Errorf("is %.80q; write it as nats://host:port, for instance nats://10.0.0.1:%s", withoutPassword(node), NATSRoutePort)
		case slices.Contains(all, address):
			return nil, i, fmt.Errorf("is %.80q, which is there twice; name each node once", node)
		}
		all = append(all, address)
	}
	return all, 0, nil
}

// Kind is what carries publications, in one word: memory, or the scheme of the address, as redis.
func (b *Broker) Kind() string {
	if !b.Shared() {
		return Memory
	}
	kind, _, _ := strings.Cut(strings.TrimSpace(b.URL), "://")
	return kind
}

// brokerScheme is how an address of a broker begins. Which schemes there are the server knows.
var brokerScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://`)

// minNodeTimeout is the shortest that brokers take.
const minNodeTimeout = time.Second

// Bounds of what brokers keep, as their packages have them.
const (
	maxReplicas      = 5
	minMaxAge        = time.Hour
	minLogBytes Size = 4 << 20
)

var (
	nodeName     = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)
	brokerPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
	natsPrefix   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	natsScheme   = regexp.MustCompile(`^(nats|tls)://`)
)

func (c *checker) broker() {
	b := &c.Broker
	for _, address := range strings.Fields(b.URL) {
		if address != Memory && !brokerScheme.MatchString(address) || address == Memory && b.URL != Memory {
			c.say("broker.url", "is %q; write memory, or an address as redis://localhost:6379", withoutPassword(b.URL))
			break
		}
	}
	if strings.TrimSpace(b.URL) == "" {
		c.say("broker.url", "is empty; write memory, or an address as redis://localhost:6379")
	}
	if !brokerPrefix.MatchString(b.Prefix) {
		c.say("broker.prefix", `is %.80q; give it 1 to 64 letters, digits, "-", "_", "." and ":"`, b.Prefix)
	} else if (b.Embedded.On() || natsScheme.MatchString(strings.TrimSpace(b.URL))) && !natsPrefix.MatchString(b.Prefix) {
		c.say("broker.prefix", `is %.80q, which NATS does not take; give it 1 to 32 letters, digits, "-" and "_"`, b.Prefix)
	}
	if !nodeName.MatchString(b.Node) {
		c.say("broker.node", `is %.80q; give it at most 32 letters, digits, "-" and "_"`, b.Node)
	}
	c.cluster()
	c.embedded()
	c.kept()
	if b.NodeTimeout > 0 && b.NodeTimeout < minNodeTimeout {
		c.say("broker.node_timeout", "is %s, and a busy node would be taken for dead; give it %s or more", formatDuration(b.NodeTimeout), formatDuration(minNodeTimeout))
	}
}

// embedded checks who the nodes with a NATS server are. Between machines they need a secret, or certificates.
func (c *checker) embedded() {
	b, e := &c.Broker, &c.Broker.Embedded
	if !e.On() {
		if e.Listen != "" || e.Dir != "" {
			c.say("broker.embedded.nodes", "is missing, and what goes with it is given; name the nodes, as nats://10.0.0.1:%s, or leave out all of it", NATSRoutePort)
		}
		return
	}
	if b.URL != Memory {
		c.say("broker.embedded.nodes", "is given, and broker.url is, too; the nodes share one of the two: leave out the other")
	}
	all, i, err := e.Addresses()
	if err != nil {
		c.say(fmt.Sprintf("broker.embedded.nodes[%d]", i), "%v", err)
		return
	}
	if problem := addressProblem(e.Listen); e.Listen != "" && (problem != "" || strings.HasPrefix(e.Listen, "unix:")) {
		c.say("broker.embedded.listen", "is %q; write it as host:port, for instance 0.0.0.0:%s", e.Listen, NATSRoutePort)
	}
	near := e.Listen == "" || loopback(e.Listen)
	for _, address := range all {
		near = near && loopback(address)
	}
	if len(all) > 1 && !near && b.Cluster.Secret == "" && b.Cluster.SecretFile == "" && !b.Cluster.TLS.On() {
		c.say("broker.cluster.secret_file", "is missing, and whoever reaches broker.embedded.nodes could join them; name a file with a secret of %d bytes or more, the same on all nodes, or pass it by %s",
			minSecret, environmentName("broker.cluster.secret"))
	}
}

// kept checks what brokers are told to keep.
func (c *checker) kept() {
	n, r := &c.Broker.NATS, &c.Broker.RabbitMQ
	if n.Replicas > maxReplicas {
		c.say("broker.nats.replicas", "is %d, and NATS takes at most %d; three bear the loss of one", n.Replicas, maxReplicas)
	}
	if size := len(c.Broker.Embedded.Nodes); size > 0 && n.Replicas > size {
		c.say("broker.nats.replicas", "is %d, and there are %d nodes to store on; give it less, or leave it out", n.Replicas, size)
	}
	if n.MaxAge > 0 && n.MaxAge < minMaxAge {
		c.say("broker.nats.max_age", "is %s; give it %s or more", formatDuration(n.MaxAge), formatDuration(minMaxAge))
	}
	if r.LogBytes > 0 && r.LogBytes < minLogBytes {
		c.say("broker.rabbitmq.log_bytes", "is %v; give it %v or more", r.LogBytes, minLogBytes)
	}
}

func (c *checker) cluster() {
	k := &c.Broker.Cluster
	c.long("broker.cluster.secret", k.Secret)
	c.nodeTLS()
	switch {
	case k.Secret != "" && k.SecretFile != "":
		c.say("broker.cluster.secret_file", "is given, and so is broker.cluster.secret; leave out one of the two")
	case k.Listen == "" && ((k.Secret != "" || k.SecretFile != "") && !c.Broker.Embedded.On() || k.Advertise != ""):
		c.say("broker.cluster.listen", "is missing, and what goes with it is given; name an address for the other nodes, or leave out all of it")
	case k.Listen == "":
		return
	case k.Secret == "" && k.SecretFile == "":
		c.say("broker.cluster.secret_file", "is missing, and nodes could not tell each other from strangers; name a file with a secret of %d bytes or more, the same on all nodes", minSecret)
	case !c.Broker.Shared():
		c.say("broker.cluster.listen", "is given, and broker.url is memory, so there are no other nodes; name the broker that they share")
	}
	host, _, _ := net.SplitHostPort(k.Listen)
	ip, err := netip.ParseAddr(host)
	if problem := addressProblem(k.Listen); problem != "" || strings.HasPrefix(k.Listen, "unix:") {
		c.say("broker.cluster.listen", "is %q; write it as host:port, for instance 10.0.0.5:7946", k.Listen)
	} else if k.Advertise == "" && (host == "" || err == nil && ip.IsUnspecified()) {
		c.say("broker.cluster.advertise", "is missing, and broker.cluster.listen is every address of this machine; say under which one the other nodes reach it")
	}
	if k.Advertise != "" {
		if _, _, err := net.SplitHostPort(k.Advertise); err != nil {
			c.say("broker.cluster.advertise", "is %q; write it as host:port", k.Advertise)
		}
	}
}

// nodeTLS checks that the files of TLS between nodes are all there, and have a use.
func (c *checker) nodeTLS() {
	t := &c.Broker.Cluster.TLS
	if *t == (NodeTLS{}) {
		return
	}
	for _, file := range [...]struct{ key, name string }{{"cert", t.Cert}, {"key", t.Key}, {"ca", t.CA}} {
		if file.name == "" {
			c.say("broker.cluster.tls."+file.key, "is missing, and others of broker.cluster.tls are given; name the file, or leave out all of them")
		}
	}
	if c.Broker.Cluster.Listen == "" && !c.Broker.Embedded.On() {
		c.say("broker.cluster.tls", "is given, and the nodes reach each other by the broker alone, whose address says whether TLS is used; leave it out, or give broker.cluster.listen")
	}
}

// secretParameter is a parameter of an address that is not for others to see.
var secretParameter = regexp.MustCompile(`([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*`)

// withoutPassword hides the passwords of one URL, or of several with spaces between, whether or not they can be parsed; other texts it
// leaves alone.
func withoutPassword(text string) string {
	return hideIn(text, func(rest string) string { return secretParameter.ReplaceAllString(rest, "${1}"+hidden) })
}

// masked is a text as it may be shown: withoutPassword, and without what comes after "?" in a URL, where keys are handed over.
func masked(text string) string {
	return hideIn(text, func(rest string) string {
		if before, _, found := strings.Cut(rest, "?"); found {
			return before + "?" + hidden
		}
		return rest
	})
}

// hideIn hides the passwords in URLs, and what query does of the rest of each.
func hideIn(text string, query func(rest string) string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	fields := strings.Fields(text)
	for i, field := range fields {
		scheme, rest, found := strings.Cut(field, "://")
		if !found {
			if len(fields) > 1 { // it may be a piece of a password with a space
				fields[i] = hidden
			}
			continue
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			user, _, secret := strings.Cut(rest[:at], ":")
			if secret {
				rest = fmt.Sprint(user, ":", hidden, rest[at:])
			} else if scheme == "nats" || scheme == "tls" { // it is a token
				rest = hidden + rest[at:]
			}
		}
		fields[i] = scheme + "://" + query(rest)
	}
	return strings.Join(fields, " ")
}
