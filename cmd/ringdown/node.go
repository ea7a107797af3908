// What the commands that use a node's channels have in common: where the node is, and how it is reached.

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// nodeOptions are the flags that say where a node is.
type nodeOptions struct {
	address  string
	headers  []string
	insecure bool
}

func (o *nodeOptions) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.address, "url", "http://"+config.Default().Listen.Address, "`URL` of the node")
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "`field` to add to requests, as 'Name: value'; repeatable")
	flags.BoolVar(&o.insecure, "insecure", false, "do not verify the node's TLS certificate")
}

// node is a node that can be reached.
type node struct {
	base   *url.URL // http or https
	header http.Header
	tls    *tls.Config
}

// node checks the flags.
func (o *nodeOptions) node(c *console) (*node, error) {
	base, err := url.Parse(o.address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("--url %q is no URL of a node; write it as http://host:port", o.address)
	}
	switch base.Scheme {
	case "ws":
		base.Scheme = "http"
	case "wss":
		base.Scheme = "https"
	case "http", "https":
	default:
		return nil, fmt.Errorf("--url %q begins with %s; write it as http://host:port or https://host", o.address, base.Scheme)
	}
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/connect")
	n := &node{base: base}
	if n.header, err = headerFields(o.headers); err != nil {
		return nil, err
	}
	if o.insecure {
		c.note(insecureWarning)
		n.tls = &tls.Config{InsecureSkipVerify: true}
	}
	return n, nil
}

// at is the URL of something at the node, with what the user's URL asks for and what values add to it.
func (n *node) at(values url.Values, path ...string) *url.URL {
	u := n.base.JoinPath(path...)
	query := n.base.Query()
	for name, value := range values {
		query[name] = value
	}
	u.RawQuery = query.Encode()
	return u
}

func (n *node) dialOptions() websocket.DialOptions {
	return websocket.DialOptions{Header: n.header.Clone(), TLSConfig: n.tls, Limits: websocket.Limits{Message: longestReceived}}
}

func (n *node) httpClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = n.tls
	return &http.Client{Transport: transport}
}

// channelNames refuses what cannot be a channel's name before a node is asked.
func someChannels(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s takes the name of a channel, as in: ringdown %s news", cmd.Name(), cmd.Name())
	}
	for _, name := range args {
		if name == "" {
			return errors.New("the name of a channel is empty; name it with 1 to 255 bytes")
		}
	}
	return nil
}
