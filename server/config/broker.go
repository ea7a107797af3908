// The broker: what carries publications, and between which nodes.

package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Broker says what carries publications and keeps history.
type Broker struct {
	URL         string        `key:"url" example:"redis://redis.internal:6379" doc:"memory for a single node, or the address of what all nodes share: redis://, and others as docs/brokers.md lists them; several of a kind are separated by spaces; a password is best passed by RINGDOWN_BROKER_URL"`
	Prefix      string        `key:"prefix" doc:"begins the name of everything that is kept there; deployments that share it need one each"`
	Node        string        `key:"node" example:"node-1" doc:"this node's name, which no other has: letters, digits, - and _; empty makes one up at each start"`
	Timeout     time.Duration `key:"timeout" doc:"how long one answer of the broker may take"`
	PublishWait time.Duration `key:"publish_wait" zero:"any" doc:"how long a publication waits while the broker is away; 0 refuses it at once"`
	NodeTimeout time.Duration `key:"node_timeout" doc:"after how long without a sign of life a node is dead, and who was connected to it leaves; the same on all nodes"`
	Cluster     Cluster       `key:"cluster" doc:"how the nodes reach each other"`
}

// Cluster says how nodes reach each other beside the broker.
type Cluster struct {
	Listen       string        `key:"listen" example:"10.0.0.5:7946" doc:"address of its own for the other nodes, in a network of theirs: requests of Socket.IO clients that poll come here from whichever node they reached; empty asks for a balancer that sends each client to one node"`
	Advertise    string        `key:"advertise" example:"node-1.internal:7946" doc:"where the other nodes reach that address; empty is the address itself"`
	Secret       Secret        `key:"secret" doc:"secret by which nodes know each other, the same on all, 32 bytes or more; a file is the better place"`
	SecretFile   string        `key:"secret_file" example:"/etc/ringdown/cluster.secret" doc:"file with that secret"`
	QueryTimeout time.Duration `key:"query_timeout" doc:"how long the API waits for the other nodes' share of an answer; those that have not answered are named in it"`
}

// Memory is the broker.url of a node by itself.
const Memory = "memory"

// Shared tells whether the broker is one of several nodes.
func (b *Broker) Shared() bool { return b.URL != Memory }

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

var (
	nodeName     = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)
	brokerPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
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
	}
	if !nodeName.MatchString(b.Node) {
		c.say("broker.node", `is %.80q; give it at most 32 letters, digits, "-" and "_"`, b.Node)
	}
	c.cluster()
	if b.NodeTimeout > 0 && b.NodeTimeout < minNodeTimeout {
		c.say("broker.node_timeout", "is %s, and a busy node would be taken for dead; give it %s or more", formatDuration(b.NodeTimeout), formatDuration(minNodeTimeout))
	}
}

func (c *checker) cluster() {
	k := &c.Broker.Cluster
	c.long("broker.cluster.secret", k.Secret)
	switch {
	case k.Secret != "" && k.SecretFile != "":
		c.say("broker.cluster.secret_file", "is given, and so is broker.cluster.secret; leave out one of the two")
	case k.Listen == "" && (k.Secret != "" || k.SecretFile != "" || k.Advertise != ""):
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
