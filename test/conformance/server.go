// The mirror: a server that tests the clients which come to it.

package conformance

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// Server is an http.Handler that tests clients. It serves any number of them at once.
type Server struct {
	// Cases are numbered for clients from 1 on. Those against servers only make no sense here.
	Cases []Case
	// Report is told how each case went; a nil error means that the client passed. It is called from many goroutines.
	Report func(agent string, c Case, err error)
}

// ClientCases are the cases for a [Server].
func ClientCases() []Case {
	var cases []Case
	for _, c := range Cases() {
		if c.Against != Servers {
			cases = append(cases, c)
		}
	}
	return cases
}

func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		http.Error(w, "come with a WebSocket handshake", http.StatusUpgradeRequired)
		return
	}
	c, err := srv.choose(r.URL)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s := newSession(nc, true)
	if rw.Reader.Buffered() > 0 {
		s.close()
		log.Printf("conformance: %v sent frames before the handshake was answered", nc.RemoteAddr())
		return
	}
	err = c.serve(context.Background(), s, r.Header.Values("Sec-WebSocket-Extensions"), key)
	if c.ID != "" && srv.Report != nil {
		srv.Report(r.URL.Query().Get("agent"), c, err)
	}
}

// choose is the case that a URL asks for. Those without a number are the conversations around the cases.
func (srv *Server) choose(u *url.URL) (Case, error) {
	switch u.Path {
	case "/getCaseCount":
		return Case{Steps: []Step{send(text(strconv.Itoa(len(srv.Cases))))}}, nil
	case "/updateReports":
		return Case{}, nil
	case "/runCase":
		n, err := strconv.Atoi(u.Query().Get("case"))
		if err != nil || n < 1 || n > len(srv.Cases) {
			return Case{}, fmt.Errorf("case=%q: there are the cases 1 to %d", u.Query().Get("case"), len(srv.Cases))
		}
		return srv.Cases[n-1], nil
	}
	return Case{}, fmt.Errorf("%s: ask for /getCaseCount, /runCase?case=N&agent=NAME or /updateReports?agent=NAME", u.Path)
}

// ListenAndServe serves on address until ctx ends.
func (srv *Server) ListenAndServe(ctx context.Context, address string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: srv}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	return server.Serve(l)
}
