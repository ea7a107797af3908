// Which pages may use polling: the same as over a WebSocket, and the browser is told so (CORS, in the Fetch standard).

package engineio

import (
	"net/http"
	"time"
)

// preflightAge is how long a browser may remember the answer to a preflight, in seconds; browsers take two hours at most.
const preflightAge = "7200"

// crossOrigin reports whether the page that sent r may use the server, and has the browser show the answer to one that may.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	if !s.options.Accept.AnyOrigin {
		header.Add("Vary", "Origin")
	}
	if err := s.acceptor.CheckOrigin(r); err != nil {
		s.noteOrigin(r, err)
		return false
	}
	origin := r.Header.Get("Origin")
	switch {
	case s.options.Accept.AnyOrigin: // without the visitor's cookies
		header.Set("Access-Control-Allow-Origin", "*")
	case origin != "":
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	return true
}

// noteOrigin tells the log of a page that was refused, which is told nothing itself. Once a second is enough: anybody can make it say so.
func (s *Server) noteOrigin(r *http.Request, err error) {
	now := time.Now().Unix()
	if last := s.originNoted.Load(); last != now && s.originNoted.CompareAndSwap(last, now) {
		s.log.Warn("engineio: refused a page", "remote", r.RemoteAddr, "origin", r.Header.Get("Origin"), "cause", err)
	}
}

// preflight answers OPTIONS. A page that may use the server may send whichever fields it likes, as its client's extraHeaders.
func preflight(w http.ResponseWriter, r *http.Request) {
	const methods = "GET, POST, OPTIONS"
	header := w.Header()
	header.Set("Allow", methods)
	if r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" {
		header.Add("Vary", "Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Max-Age", preflightAge)
		if fields := r.Header.Get("Access-Control-Request-Headers"); fields != "" {
			header.Set("Access-Control-Allow-Headers", fields)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
