// Package web holds the pages that a node serves, embedded into the binary as they are: no build step, no library, no
// other host. They are served with a Content-Security-Policy that allows this server's own files and nothing else.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"strings"
	"time"
)

//go:embed chat
var files embed.FS

// pages are the embedded files by the path at which they are served, as a [http.ServeMux] pattern has it.
var pages = map[string]struct{ file, contentType string }{
	"/{$}":         {"chat/chat.html", "text/html; charset=utf-8"},
	"/chat.css":    {"chat/chat.css", "text/css; charset=utf-8"},
	"/chat.js":     {"chat/chat.js", "text/javascript; charset=utf-8"},
	"/channel.js":  {"chat/channel.js", "text/javascript; charset=utf-8"},
	"/refusal.js":  {"chat/refusal.js", "text/javascript; charset=utf-8"},
	"/line.js":     {"chat/line.js", "text/javascript; charset=utf-8"},
	"/log.js":      {"chat/log.js", "text/javascript; charset=utf-8"},
	"/favicon.svg": {"chat/favicon.svg", "image/svg+xml"},
}

// Pages returns what to serve, by path pattern. Each file carries a tag of its content, so that a browser asks every
// time and is sent it once.
func Pages() map[string]http.Handler {
	handlers := make(map[string]http.Handler, len(pages))
	for path, page := range pages {
		content, err := files.ReadFile(page.file)
		if err != nil {
			panic(err) // the map above names a file that is not embedded
		}
		handlers[path] = static(content, page.contentType)
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
