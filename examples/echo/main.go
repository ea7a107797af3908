// Command echo is a WebSocket echo server: text comes back as text, binary as binary.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
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
	mode := flag.String("mode", "blocking", "blocking (a goroutine for each connection) or loop (event loops, for very many connections)")
	flag.Parse()

	deflate, err := compressionMode(*compression)
	if err != nil {
		refuse(err)
	}
	handler, listenTLS, err := echoHandler(*mode, websocket.AcceptOptions{
		AnyOrigin:   true, // an echo has nothing to protect
		Compression: websocket.Compression{Mode: deflate},
		Limits:      websocket.Limits{Message: *maxMessage},
		CorkBursts:  true,
	})
	if err != nil {
		refuse(err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    32 << 10, // more than a handshake may have, so that its refusal comes with a sentence
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	scheme := "ws"
	if *secure {
		config, err := selfSigned()
		if err != nil {
			log.Fatal(err)
		}
		scheme, listener = "wss", listenTLS(listener, config)
	}
	log.Printf("echo on %s://%s", scheme, listener.Addr())
	log.Fatal(server.Serve(listener))
}

// refuse ends the program because of a flag.
func refuse(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
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
