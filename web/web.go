// Package web holds the pages that a node serves, embedded into the binary. They come in two kinds. The plain ones, in plain/, are
// files as a browser takes them, and always there. The others, in pages/ and console/, are built by Vite into dist/ (make pages); a
// binary that was built without them serves the plain chat at /, which says how to get the rest.
//
// All are served with a Content-Security-Policy that allows this server's own files and nothing else.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed plain/chat plain/everyone plain/look.css plain/favicon.svg
var plainFiles embed.FS

//go:embed all:dist
var distFiles embed.FS

// plainPages are the plain files by the path at which they are served, as a [http.ServeMux] pattern has it.
var plainPages = map[string]string{
	"/plain":       "chat/chat.html",
	"/everyone":    "everyone/everyone.html",
	"/favicon.svg": "favicon.svg",

	"/plain/look.css":        "look.css",
	"/plain/chat.css":        "chat/chat.css",
	"/plain/chat.js":         "chat/chat.js",
	"/plain/channel.js":      "chat/channel.js",
	"/plain/conversation.js": "chat/conversation.js",
	"/plain/elsewhere.js":    "chat/elsewhere.js",
	"/plain/line.js":         "chat/line.js",
	"/plain/log.js":          "chat/log.js",
	"/plain/message.js":      "chat/message.js",
	"/plain/people.js":       "chat/people.js",
	"/plain/refusal.js":      "chat/refusal.js",

	"/everyone/everyone.css": "everyone/everyone.css",
	"/everyone/page.js":      "everyone/page.js",
	"/everyone/publish.js":   "everyone/publish.js",
	"/everyone/socket.js":    "everyone/socket.js",
	"/everyone/events.js":    "everyone/events.js",
	"/everyone/poll.js":      "everyone/poll.js",
	"/everyone/native.js":    "everyone/native.js",
	"/everyone/socketio.js":  "everyone/socketio.js",
}

// Site is a set of pages, plain and built.
type Site struct {
	plain fs.FS // the folder plain
	dist  fs.FS // the folder dist
}

// Embedded is the site of this binary.
func Embedded() Site { return Site{sub(plainFiles, "plain"), sub(distFiles, "dist")} }

// Built tells whether the site has more than the plain pages.
func (s Site) Built() bool {
	_, err := fs.Stat(s.dist, "index.html")
	return err == nil
}

// Pages returns what to serve to clients, by path pattern, but for the assets. Each page carries a tag of its content, so that a browser
// asks every time and is sent it once.
func (s Site) Pages() map[string]http.Handler {
	handlers := make(map[string]http.Handler, len(plainPages))
	for pattern, file := range plainPages {
		handlers[pattern] = fresh(read(s.plain, file), file)
	}
	if !s.Built() {
		handlers["/{$}"] = fresh(unbuilt(read(s.plain, "chat/chat.html")), "chat.html")
		return handlers
	}
	handlers["/{$}"] = fresh(read(s.dist, "index.html"), "index.html")
	built, err := fs.Glob(s.dist, "pages/*/index.html")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for _, file := range built {
		at := "/" + path.Base(path.Dir(file))
		handlers[at] = http.RedirectHandler(at+"/", http.StatusPermanentRedirect)
		handlers[at+"/{$}"] = fresh(read(s.dist, file), file)
	}
	return handlers
}

// Assets returns the scripts and styles of built pages and of the console. Their names change with their content, so that a browser
// may keep them.
func (s Site) Assets() map[string]http.Handler {
	handlers := make(map[string]http.Handler)
	files, err := fs.Glob(s.dist, "assets/*")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for _, file := range files {
		handlers["/"+file] = lasting(read(s.dist, file), file)
	}
	return handlers
}

// Console returns the console's page; it needs the assets beside it.
func (s Site) Console() map[string]http.Handler {
	content, err := fs.ReadFile(s.dist, "console/index.html")
	if err != nil {
		return map[string]http.Handler{"/console/{$}": http.HandlerFunc(noConsole)}
	}
	return map[string]http.Handler{
		"/console":     http.RedirectHandler("/console/", http.StatusPermanentRedirect),
		"/console/{$}": fresh(content, "index.html"),
	}
}

func noConsole(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this binary was built without the console; build it with make build, which needs Node and npm", http.StatusNotFound)
}

// unbuilt puts into the plain chat how to get the other pages.
func unbuilt(page []byte) []byte {
	const place = "<!-- the other pages -->"
	if !bytes.Contains(page, []byte(place)) {
		panic("the plain chat has no place for " + place)
	}
	return bytes.Replace(page, []byte(place), []byte(`<p class="rest">This binary was built without the other pages and the console.
      To get them, install <a href="https://nodejs.org" rel="noopener">Node</a> and start it with <code>make run</code>.</p>`), 1)
}

func sub(files fs.FS, folder string) fs.FS {
	inner, err := fs.Sub(files, folder)
	if err != nil {
		panic(err) // the name is not valid
	}
	return inner
}

func read(files fs.FS, name string) []byte {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		panic(fmt.Sprintf("%v; it is named in the code, or was found a moment ago", err))
	}
	return content
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
