// How one file is served: with its type, its tag and its policy.

package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"path"
	"sync"
	"time"
)

// The types of the files, by the ends of their names.
var contentTypes = map[string]string{
	".html":  "text/html; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".woff2": "font/woff2",
}

// fresh serves a file that a browser is to ask for every time.
func fresh(content []byte, name string) http.Handler { return static(content, name, "no-cache") }

// lasting serves a file whose name changes with its content.
func lasting(content []byte, name string) http.Handler {
	return static(content, name, "public, max-age=31536000, immutable")
}

func static(content []byte, name, caching string) http.Handler {
	contentType, known := contentTypes[path.Ext(name)]
	if !known {
		panic(fmt.Sprintf("%s: nobody knows the type of such files; add it to contentTypes", name))
	}
	tag := sync.OnceValue(func() string { return fmt.Sprintf(`"%.8x"`, sha256.Sum256(content)) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Set("Cache-Control", caching)
		header.Set("ETag", tag())
		header.Set("Content-Security-Policy", contentPolicy(r.Host))
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
