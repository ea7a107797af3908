//go:build unix

package proxies

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/doctor"
)

// mistake is one that people make in a proxy's configuration, and what the doctor says to it.
type mistake struct {
	name    string
	proxy   string
	changes []change
	idle    time.Duration
	says    []saying
}

// saying is what a finding must hold.
type saying struct {
	step       string
	status     doctor.Status
	text, cure string // parts of them
}

// short is a time-out for a proxy that is shorter than the node's heartbeats; what is watched for this long is cut by it.
const (
	short   = "2s"
	watched = 10 * time.Second
)

var mistakes = []mistake{
	{"buffering is on", "nginx",
		[]change{{"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"}}, 0,
		[]saying{{"sse", doctor.Failure, "holds the event stream back", "proxy_buffering off;"}}},
	{"streams are compressed", "nginx",
		[]change{{"gzip off;", "gzip on; gzip_proxied any; gzip_types text/event-stream;"}}, 0,
		[]saying{{"sse", doctor.Warning, "compresses the stream", "gzip"}}},
	{"Upgrade is not passed on", "nginx",
		[]change{{"proxy_set_header Upgrade $http_upgrade;", ""}, {"proxy_set_header Connection $connection_upgrade;", `proxy_set_header Connection "";`}}, 0,
		[]saying{{"websocket", doctor.Failure, "Upgrade was not passed on", "proxy_set_header Upgrade $http_upgrade;"}}},
	{"the node is spoken to in HTTP 1.0", "nginx",
		[]change{{"proxy_http_version 1.1;", "proxy_http_version 1.0;"}}, 0,
		[]saying{{"websocket", doctor.Failure, "speaks HTTP/1.0 to the node", "proxy_http_version 1.1;"}}},
	{"nothing but proxy_pass", "nginx", // with which everybody begins
		[]change{{"proxy_http_version 1.1;", ""}, {"proxy_set_header Upgrade $http_upgrade;", ""}, {"proxy_set_header Connection $connection_upgrade;", ""}}, 0,
		[]saying{{"websocket", doctor.Failure, "speaks HTTP/1.0 to the node", "proxy_http_version 1.1;"}}},
	{"the read time-out is shorter than heartbeats", "nginx",
		[]change{{"proxy_read_timeout 120s;", "proxy_read_timeout " + short + ";"}}, watched,
		[]saying{
			{"idle", doctor.Failure, "a quiet WebSocket was cut", "proxy_read_timeout"},
			{"idle", doctor.Failure, "a quiet event stream was cut", "proxy_read_timeout"},
			{"idle", doctor.Failure, "504", "proxy_read_timeout"},
		}},
	{"a path behind proxy_pass", "nginx",
		[]change{{"proxy_pass http://ringdown;", "proxy_pass http://ringdown/app/;"}}, 0,
		[]saying{{"poll", doctor.Failure, "404", "without a path"}}},
	{"the node is elsewhere", "nginx",
		[]change{{"server 127.0.0.1:8000;", "server 127.0.0.1:1; # not 127.0.0.1:8000"}}, 0,
		[]saying{{"poll", doctor.Failure, "502", "cannot reach the node"}}},
	{"the tunnel's time-out is shorter than heartbeats", "haproxy",
		[]change{{"timeout tunnel 120s", "timeout tunnel " + short}}, watched,
		[]saying{{"idle", doctor.Failure, "a quiet WebSocket was cut", "timeout tunnel"}}},
	{"the server's time-out is shorter than polls wait", "haproxy",
		[]change{{"timeout server 120s", "timeout server " + short}}, watched,
		[]saying{{"idle", doctor.Failure, "504", "timeout server"}}},
	{"Upgrade is deleted", "haproxy",
		[]change{{"http-request del-header Forwarded", "http-request del-header Upgrade"}}, 0,
		[]saying{{"websocket", doctor.Failure, "Upgrade was not passed on", "HAProxy: mode http passes Upgrade"}}},
	{"a PROXY header that the node does not expect", "haproxy",
		[]change{{"default-server check inter 2s fall 1 rise 2", "default-server send-proxy-v2"}}, 0,
		[]saying{{"poll", doctor.Failure, "400", "PROXY"}}},
	{"Upgrade is deleted", "caddy",
		[]change{{"flush_interval -1", "flush_interval -1\n\t\theader_up -Upgrade"}}, 0,
		[]saying{{"websocket", doctor.Failure, "Upgrade was not passed on", "Caddy: reverse_proxy passes Upgrade"}}},
	{"answers may not wait", "caddy",
		[]change{{"dial_timeout 5s", "dial_timeout 5s\n\t\t\tresponse_header_timeout 500ms"}}, 0,
		[]saying{{"long poll", doctor.Failure, "504", "Caddy: leave out"}}},
}

func TestTheDoctorNamesTheMistakesPeopleMake(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.proxy+", "+m.name, func(t *testing.T) {
			t.Parallel()
			k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == m.proxy })]
			report := k.behind(t, m.changes...).examine(t, doctor.Options{Idle: m.idle})
			for _, s := range m.says {
				if !slices.ContainsFunc(report.Findings, s.is) {
					t.Errorf("no %s of %s says %q, with %q as a cure:\n%s", s.status, s.step, s.text, s.cure, text(report))
				}
			}
		})
	}
}

func (s saying) is(f doctor.Finding) bool {
	return f.Step == s.step && f.Status == s.status && strings.Contains(f.Text, s.text) && strings.Contains(f.Cure, s.cure)
}

// examine has the doctor walk to the site.
func (s *site) examine(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	o.URL, o.Roots = s.url, s.roots
	report, err := doctor.Examine(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func text(r *doctor.Report) string {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s %s: %s\n\t→ %s\n", f.Status, f.Step, f.Text, f.Cure)
	}
	return out.String()
}
