// How one file is served: with its type, its tag and its policy, compressed for who takes that.

package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
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
	tag := sync.OnceValue(func() string { return fmt.Sprintf("%.8x", sha256.Sum256(content)) })
	small := sync.OnceValue(func() []byte { return compressed(content, contentType) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Set("Cache-Control", caching)
		header.Add("Vary", "Accept-Encoding")
		body, mark := content, ""
		if takesGzip(r.Header.Values("Accept-Encoding")) && small() != nil {
			body, mark = small(), "-gz" // other bytes have another tag (RFC 9110, section 8.8.3.3)
			header.Set("Content-Encoding", "gzip")
		}
		header.Set("ETag", `"`+tag()+mark+`"`)
		header.Set("Content-Security-Policy", contentPolicy(r.Host))
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// compressed is what gzip makes of a file, or nil if that is no gain.
func compressed(content []byte, contentType string) []byte {
	if !strings.HasPrefix(contentType, "text/") && contentType != "image/svg+xml" {
		return nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // there is no such level
	}
	w.Write(content) // a buffer takes all
	w.Close()
	if b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

// takesGzip tells whether a client says that it takes gzip (RFC 9110, section 12.5.3). One that takes anything is sent what was asked for as it is.
func takesGzip(accepted []string) bool {
	for part := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			name, value, found := strings.Cut(weight, "=")
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return !found || !strings.EqualFold(strings.TrimSpace(name), "q") || err == nil && q > 0
		}
	}
	return false
}
