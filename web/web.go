// Package web holds the pages that a node serves, embedded into the binary as they are: no build step, no library, no
// other host. They are served with a Content-Security-Policy that allows this server's own files and nothing else.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed chat everyone look.css favicon.svg
var files embed.FS

// The types of the files, by the ends of their names.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// pages are the embedded files by the path at which they are served, as a [http.ServeMux] pattern has it.
var pages = map[string]string{
	"/{$}":         "chat/chat.html",
	"/everyone":    "everyone/everyone.html",
	"/look.css":    "look.css",
	"/favicon.svg": "favicon.svg",

	"/chat.css":        "chat/chat.css",
	"/chat.js":         "chat/chat.js",
	"/channel.js":      "chat/channel.js",
	"/conversation.js": "chat/conversation.js",
	"/elsewhere.js":    "chat/elsewhere.js",
	"/line.js":         "chat/line.js",
	"/log.js":          "chat/log.js",
	"/message.js":      "chat/message.js",
	"/people.js":       "chat/people.js",
	"/refusal.js":      "chat/refusal.js",

	"/everyone.css":         "everyone/everyone.css",
	"/everyone/page.js":     "everyone/page.js",
	"/everyone/publish.js":  "everyone/publish.js",
	"/everyone/socket.js":   "everyone/socket.js",
	"/everyone/events.js":   "everyone/events.js",
	"/everyone/poll.js":     "everyone/poll.js",
	"/everyone/native.js":   "everyone/native.js",
	"/everyone/socketio.js": "everyone/socketio.js",
}

// Pages returns what to serve, by path pattern. Each file carries a tag of its content, so that a browser asks every
// time and is sent it once.
func Pages() map[string]http.Handler {
	handlers := make(map[string]http.Handler, len(pages))
	for pattern, file := range pages {
		content, err := files.ReadFile(file)
		if err != nil {
			panic(err) // the map above names a file that is not embedded
		}
		handlers[pattern] = static(content, contentTypes[path.Ext(file)])
	}
	return handlers
}

func static(content []byte, contentType string) http.Handler {
	tag := fmt.Sprintf(`"%.8x"`, sha256.Sum256(content))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", tag)
		header.Set("Content-Security-Policy", contentPolicy(r.Host))
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

// contentPolicy lets a page use what this server sends, and nothing else: no other host, no inline script or style, no
// framing. The host is spelled out for WebSockets because older browsers do not count them under 'self'.
func contentPolicy(host string) string {
	lines := "'self'"
	if host != "" && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") == "" {
		lines += " ws://" + host + " wss://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " + lines + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
