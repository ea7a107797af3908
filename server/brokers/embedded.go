// A NATS server inside the node: which of the nodes' addresses is this node's own, what it is called, and where it stores.

package brokers

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ringdown/ringdown/broker/nats"
	"github.com/ringdown/ringdown/broker/nats/embedded"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
)

const (
	// startWait is how long a node waits for most of the others to be there. They may be started by hand, one after the other.
	startWait = 5 * time.Minute
	// maxPayload is the largest message between nodes with a server of their own, in bytes.
	maxPayload = 8 << 20
	// resolving is how long the names of nodes may take to be resolved, all together.
	resolving = 10 * time.Second
	// defaultFolder is where they store if nobody says where.
	defaultFolder = "ringdown-data"
)

// withServer is a broker and the server that it has of its own.
type withServer struct {
	*nats.Broker
	server *embedded.Server
}

// Start implements [hub.Broker].
func (b *withServer) Start(sink hub.Sink) error {
	err := b.Broker.Start(sink)
	if err != nil {
		b.server.Close()
	}
	return err
}

// Close implements [hub.Broker].
func (b *withServer) Close() error {
	err := b.Broker.Close()
	b.server.Close()
	return err
}

// openEmbedded starts this node's server and opens the broker over it.
func openEmbedded(c *config.Broker, log *slog.Logger) (*Broker, error) {
	o, err := embeddedOptions(c, log)
	if err != nil {
		return nil, fmt.Errorf("broker.embedded: %w", err)
	}
	server, err := embedded.Start(*o)
	if err != nil {
		return nil, err
	}
	options := server.BrokerOptions()
	options.StartWait = startWait
	b, err := newNATS(c, options, log)
	if err != nil {
		server.Close()
		return nil, err
	}
	log.Info("a NATS server runs inside this node", "node", options.Node, "nodes", o.Nodes, "listen", o.Listen, "dir", o.Dir)
	return natsBroker(b, &withServer{b, server}), nil
}

// embeddedOptions are those of this node's server.
func embeddedOptions(c *config.Broker, log *slog.Logger) (*embedded.Options, error) {
	all, _, err := c.Embedded.Addresses()
	if err != nil {
		return nil, err
	}
	own, err := ownAddress(all, c.Embedded.Listen)
	if err != nil {
		return nil, err
	}
	o := &embedded.Options{Node: c.Node, Nodes: len(all), Listen: cmp.Or(c.Embedded.Listen, listenAt(own)), MaxPayload: maxPayload, Log: log}
	if o.Node == "" {
		if o.Node, err = nameOf(own); err != nil {
			return nil, err
		}
	}
	o.Dir = filepath.Join(cmp.Or(c.Embedded.Dir, os.Getenv("STATE_DIRECTORY"), defaultFolder), o.Node)
	if len(all) == 1 { // nobody is to come; a server by itself stores in another way than one of several
		o.Listen, o.Dir = "", o.Dir+"-alone"
		return o, nil
	}
	for _, address := range all {
		if address != own {
			o.Routes = append(o.Routes, address)
		}
	}
	if o.TLS, err = ClusterTLS(&c.Cluster, log); err != nil {
		return nil, err
	}
	secret, err := ClusterSecret(&c.Cluster)
	if err != nil || len(secret) == 0 {
		return o, err
	}
	o.Secret = routeSecret(secret)
	return o, nil
}

// routeSecret is what servers show each other: not the nodes' secret itself, for without TLS it goes over the network in the clear.
func routeSecret(secret []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("ringdown nats routes"))
	return hex.EncodeToString(h.Sum(nil))
}

// ownAddress is the first of the nodes' addresses that is this machine's. If where to listen is said, there need not be one.
func ownAddress(all []string, listen string) (string, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	ours, err := ourAddresses()
	if err != nil {
		return "", fmt.Errorf("the addresses of this machine: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolving)
	defer cancel()
	var unknown []error
	for _, address := range all {
		host, _, _ := net.SplitHostPort(address)
		if host == "" || address == listen {
			return address, nil
		}
		found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
		if err != nil { // of a node that does not run yet there may be none
			unknown = append(unknown, err)
		}
		for _, ip := range found {
			if ip.IP.IsLoopback() || ours[ip.IP.String()] {
				return address, nil
			}
		}
	}
	if listen != "" {
		return "", nil
	}
	return "", errors.Join(append([]error{fmt.Errorf("none of %s is an address of this machine; write this node's own without its host, as nats://:%s, or set broker.embedded.listen",
		strings.Join(all, ", "), config.NATSRoutePort)}, unknown...)...)
}

// listenAt is where a node listens whose address this is. A name may stand for the loopback on the machine that has it, so it is listened at everywhere.
func listenAt(own string) string {
	host, port, _ := net.SplitHostPort(own)
	if own == "" || host == "localhost" || net.ParseIP(host) != nil {
		return own
	}
	return ":" + port
}

func ourAddresses() (map[string]bool, error) {
	addresses, err := net.InterfaceAddrs()
	ours := make(map[string]bool)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			ours[n.IP.String()] = true
		}
	}
	return ours, err
}

// nameOf makes a node's name of its address, the same each time: what is stored belongs to it.
func nameOf(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == "" {
		host, err = os.Hostname()
	}
	if err != nil {
		return "", fmt.Errorf("this node needs a name that stays the same; set broker.node: %w", err)
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host+"-"+port)
	if len(name) <= hub.MaxNodeName {
		return name, nil
	}
	sum := sha256.Sum256([]byte(name))
	return name[:hub.MaxNodeName-9] + "-" + hex.EncodeToString(sum[:4]), nil
}
