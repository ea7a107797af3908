// What the commands that open WebSockets have in common: the URL, and the flags of the handshake.

package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/websocket"
)

const insecureWarning = "--insecure: the server's TLS certificate is not verified; anybody on the way can read and change what passes"

// handshakeOptions are flags that say what is asked of a server.
type handshakeOptions struct {
	headers      []string
	subprotocols []string
	origin       string
	compression  string
	insecure     bool
}

func (o *handshakeOptions) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "`field` to add to the handshake, as 'Name: value'; repeatable")
	flags.StringArrayVar(&o.subprotocols, "subprotocol", nil, "`name` of a subprotocol to offer; repeatable")
	flags.StringVar(&o.origin, "origin", "", "`origin` to claim, as a browser page of https://app.example.com would")
	flags.StringVar(&o.compression, "compression", "off", "`mode` of permessage-deflate to offer: off, no-takeover or takeover")
	flags.BoolVar(&o.insecure, "insecure", false, "do not verify the server's TLS certificate")
}

// dialOptions turns the flags into options, and refuses those that make no sense.
func (o *handshakeOptions) dialOptions() (*websocket.DialOptions, error) {
	header, err := headerFields(o.headers)
	if err != nil {
		return nil, err
	}
	options := &websocket.DialOptions{Header: header, Subprotocols: o.subprotocols}
	if o.origin != "" {
		options.Header.Set("Origin", o.origin)
	}
	switch o.compression {
	case "off":
	case "no-takeover":
		options.Compression.Mode = websocket.CompressionNoTakeover
	case "takeover":
		options.Compression.Mode = websocket.CompressionTakeover
	default:
		return nil, fmt.Errorf("--compression %q is not known; use off, no-takeover or takeover", o.compression)
	}
	if o.insecure {
		options.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return options, nil
}

// headerFields reads what --header was given.
func headerFields(fields []string) (http.Header, error) {
	header := make(http.Header)
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q has no name; write it as 'Name: value'", field)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// socketURL accepts http for ws and https for wss, as people copy addresses from their browser. What is wrong with any
// other URL, Dial says.
func socketURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		return "", fmt.Errorf("%q is not the URL of a WebSocket; write it as ws://host:port/path or wss://host/path", address)
	}
	if rest, ok := strings.CutPrefix(address, "http://"); ok {
		return "ws://" + rest, nil
	}
	if rest, ok := strings.CutPrefix(address, "https://"); ok {
		return "wss://" + rest, nil
	}
	return address, nil
}

// oneURL refuses anything but one argument.
func oneURL(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one URL, as ws://127.0.0.1:8000/channels/lobby; it was given %d", cmd.Name(), len(args))
	}
	return nil
}
