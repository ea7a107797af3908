// Command echo is a WebSocket echo server: text comes back as text, binary as binary.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9001", "`address` to listen on")
	compression := flag.String("compression", "off", "permessage-deflate: off, no-takeover or takeover")
	maxMessage := flag.Int64("max-message", 16<<20, "largest message in `bytes`; a larger one is refused with 1009")
	secure := flag.Bool("tls", false, "serve wss, with a certificate made at start")
	flag.Parse()

	mode, err := compressionMode(*compression)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	server := &http.Server{
		Addr: *addr,
		Handler: websocket.Handler(echo, &websocket.AcceptOptions{
			AnyOrigin:   true, // an echo has nothing to protect
			Compression: websocket.Compression{Mode: mode},
			Limits:      websocket.Limits{Message: *maxMessage},
			CorkBursts:  true,
		}),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    8 << 10,
	}
	if !*secure {
		log.Printf("echo on ws://%s", *addr)
		log.Fatal(server.ListenAndServe())
	}
	if server.TLSConfig, err = selfSigned(); err != nil {
		log.Fatal(err)
	}
	log.Printf("echo on wss://%s", *addr)
	log.Fatal(server.ListenAndServeTLS("", ""))
}

// echo sends back what comes. The loop ends when the connection does.
func echo(c *websocket.Conn) {
	ctx := context.Background()
	for m, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, m.Type, m.Data) != nil {
			return
		}
	}
}

func compressionMode(name string) (websocket.CompressionMode, error) {
	switch name {
	case "off":
		return websocket.CompressionOff, nil
	case "no-takeover":
		return websocket.CompressionNoTakeover, nil
	case "takeover":
		return websocket.CompressionTakeover, nil
	}
	return 0, fmt.Errorf("-compression %q: use off, no-takeover or takeover", name)
}
