package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/ringdown/ringdown/server/config"
)

// sources are those of a file with that content, "KEY=value" variables, and flags.
func sources(t *testing.T, content string, environ []string, args ...string) config.Sources {
	t.Helper()
	s := config.Sources{Environ: environ, Flags: pflag.NewFlagSet("serve", pflag.ContinueOnError)}
	config.AddFlags(s.Flags)
	if err := s.Flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if content != "" {
		dir, err := os.MkdirTemp("", "config") // not t.TempDir, which has the name of the test in it
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		s.File = filepath.Join(dir, "ringdown.yaml")
		if err := os.WriteFile(s.File, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestGoodFilesAreRead(t *testing.T) {
	for _, c := range []struct {
		proves  string
		content string
		change  func(*config.Config)
	}{
		{"an empty section changes nothing", "limits:\nrules: []\n", func(c *config.Config) { c.Rules = []config.Rule{} }},
		{"comments only", "# nothing\n", func(*config.Config) {}},
		{"sizes with and without unit", "limits: {message_size: 100, outbox_bytes: 2MiB}", func(c *config.Config) {
			c.Limits.MessageSize, c.Limits.OutboxBytes = 100, 2<<20
		}},
		{"a duration", "keep_alive:\n  interval: 1m30s\n", func(c *config.Config) { c.KeepAlive.Interval = 90 * time.Second }},
		{"a list in lines", "origins:\n  - https://a.example\n  - '*.b.example'\n", func(c *config.Config) {
			c.Origins = []string{"https://a.example", "*.b.example"}
		}},
		{"rules begin with the defaults of a rule", "rules:\n- pattern: chat:*\n  publish: everyone\n  history: {count: 5, age: 1h}\n", func(c *config.Config) {
			c.Rules = []config.Rule{{Pattern: "chat:*", Subscribe: "everyone", Publish: "everyone", Slow: "disconnect", Backlog: 256 << 10,
				History: config.History{Count: 5, Age: time.Hour}}}
		}},
		{"an anchor", "limits:\n  session: &rate {messages: 7, bytes: 1MiB}\n  user: *rate\n", func(c *config.Config) {
			c.Limits.Session = config.Rate{Messages: 7, Bytes: 1 << 20}
			c.Limits.User = c.Limits.Session
		}},
		{"a socket file", "listen: {address: 'unix:/run/ringdown.sock'}", func(c *config.Config) { c.Listen.Address = "unix:/run/ringdown.sock" }},
		{"everything that names people", "auth:\n  keys:\n  - secret_file: /etc/k\n  - url: https://login.example/jwks\n  anonymous: false\n" +
			"api: {keys: [{name: shop, secret_file: /etc/s, rights: [publish, read], channels: ['chat:*']}]}\n", func(c *config.Config) {
			c.Auth.Keys = []config.AuthKey{{SecretFile: "/etc/k"}, {URL: "https://login.example/jwks"}}
			c.Auth.Anonymous = false
			c.API.Keys = []config.APIKey{{Name: "shop", SecretFile: "/etc/s", Rights: []string{"publish", "read"}, Channels: []string{"chat:*"}}}
		}},
	} {
		t.Run(c.proves, func(t *testing.T) {
			loaded, err := config.Load(sources(t, c.content, nil))
			if err != nil {
				t.Fatal(err)
			}
			want := config.Default()
			c.change(&want)
			if diff := cmp.Diff(want, loaded.Config); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadFilesAreRefusedWithLineAndCure(t *testing.T) {
	for _, c := range []struct {
		content string
		wants   []string
	}{
		{"limit:\n  message_size: 5", []string{"ringdown.yaml:1: ", `the key "limit" is unknown; did you mean "limits"?`}},
		{"limits:\n  mesage_size: 5", []string{":2: ", `"limits.mesage_size" is unknown; did you mean "message_size"?`}},
		{"limits: {message-size: 5}", []string{`did you mean "message_size"?`}},
		{"message_size: 5", []string{`did you mean "limits.message_size"?`, "indented"}},
		{"limits.message_size: 5", []string{`did you mean "limits.message_size"?`, "section"}},
		{"zebra: 5", []string{`"zebra" is unknown; there are dev, listen, origins`}},
		{"dev: yes", []string{":1: ", `dev is "yes", and takes true or false`}},
		{"\n\nlimits:\n  connections: many", []string{":4: ", `limits.connections is "many", and takes a whole number`}},
		{"limits: {connections: 1.5}", []string{`takes a whole number`}},
		{"limits: {connections: 0}", []string{"limits.connections is 0; give it a positive number"}},
		{"limits: {message_size: 64Kb5}", []string{`is "64Kb5", which is no size`}},
		{"limits: {message_size: -1}", []string{"limits.message_size is -1; give it a positive number of bytes"}},
		{"limits: {header_size: 10}", []string{"limits.header_size is 10; give it 4KiB or more"}},
		{"limits: {idle_timeout: 30}", []string{`has no unit; write "30s" if seconds are meant`}},
		{"limits: {idle_timeout: soon}", []string{`write it as "30s"`}},
		{"limits: {idle_timeout: -5s}", []string{"give it a positive duration"}},
		{"limits: {idle_timeout: [1s]}", []string{`is a list, and takes a duration such as "30s"`}},
		{"limits: 5", []string{"limits is no section"}},
		{"- limits", []string{"the file is no section"}},
		{"origins: https://a.example", []string{`origins is a text, and takes a list`}},
		{"origins: ['*']", []string{"origins[0]", "list the origins of your own pages"}},
		{"origins: [5]", []string{"origins[0]", `takes a text; write it in quotes, as "5"`}},
		{"auth: {issuer: 2026-01-01}", []string{"auth.issuer is a date"}},
		{"log: {level: warning}", []string{`log.level is "warning", and takes one of debug, info, warn, error; did you mean warn?`}},
		{"rules: [chat]", []string{"rules[0] is a text, and takes keys and values: pattern, subscribe"}},
		{"rules: {pattern: a}", []string{"rules is a section, and takes a list whose elements have pattern"}},
		{"rules:\n- pattern: a\n- patern: b", []string{":3: ", `"rules[1].patern" is unknown; did you mean "pattern"?`, "rules[1].pattern is missing"}},
		{"rules: [{pattern: 'chat:['}]", []string{"rules[0].pattern", "which matches nothing: "}},
		{"rules:\n- pattern: '*'\n- pattern: chat", []string{":3: ", "rules[1] comes after rules[0], whose pattern is *", "move it up"}},
		{"rules:\n- pattern: a\n- pattern: a", []string{"make one rule of the two"}},
		{"rules: [{pattern: a, slow: drop}]", []string{"takes one of disconnect, drop_oldest, conflate"}},
		{"rules: [{pattern: a, publish: users}]", []string{"no user can be known; set auth.keys or backend.connect"}},
		{"rules: [{pattern: a, history: {age: 1m}}]", []string{"give history.count"}},
		{"rules: [{pattern: a, history: {cuont: 1}}]", []string{`"rules[0].history.cuont" is unknown; did you mean "count"?`}},
		{"rules: [{pattern: a, max_payload: 5MiB}]", []string{"would not fit the 1MiB of limits.outbox_bytes"}},
		{"dev: true\nlisten: {address: ':8000'}", []string{":2: ", "listens on loopback only", "use --listen 127.0.0.1:8000, or leave out --dev"}},
		{"dev: true\nlisten: {more: [{address: ':8001'}]}", []string{"listen.more[0].address", "loopback only"}},
		{"listen: {address: 127.0.0.1}", []string{"write it as host:port"}},
		{"listen: {address: 'unix:run'}", []string{"begins with /"}},
		{"listen: {private: 127.0.0.1:8000}", []string{"where listen.address listens already"}},
		{"listen: {more: [{tls: true, address: ':443'}]}", []string{"there is no certificate; set listen.tls.cert"}},
		{"listen: {tls: {cert: /a}}", []string{"listen.tls.key is missing"}},
		{"listen: {tls: {key: /a}}", []string{"listen.tls.cert is missing"}},
		{"listen: {tls: {cert: /a, key: /b}, acme: {domains: [a.example], cache: /c}}", []string{"leave out one of the two"}},
		{"listen: {acme: {domains: [a.example]}}", []string{"listen.acme.cache is missing"}},
		{"listen: {acme: {domains: ['*.example'], cache: /c}}", []string{`write it as a whole name`}},
		{"listen: {acme: {email: a@b.example}}", []string{"listen.acme.domains are missing"}},
		{"listen: {proxy_protocol: true}", []string{"list the proxies in listen.trusted_proxies"}},
		{"listen: {trusted_proxies: [proxy]}", []string{"a network, 10.0.0.0/8"}},
		{"listen: {trusted_proxies: [0.0.0.0/0]}", []string{"everybody could say"}},
		{"listen: {trusted_proxies: ['::ffff:10.0.0.0/104']}", []string{"listen.trusted_proxies[0]", "write it as IPv4"}},
		{"listen: {acme: {domains: ['10.0.0.1'], cache: /c}}", []string{"listen.acme.domains[0]", "addresses get no certificate"}},
		{"listen: {more: [{address: ':8000'}]}", []string{"listen.more[0].address", "where listen.address listens already"}},
		{"listen: {address: '0.0.0.0:8000', more: [{address: '10.0.0.1:8000'}]}", []string{"listen.more[0].address", "listens already"}},
		{"listen: {address: 'unix:/a', more: [{address: 'unix:/a'}]}", []string{"listen.more[0].address", "listens already"}},
		{"backend: {call: 'https://u:hunter2@a.example/x', secret_file: /s}", []string{"backend.call", "leave them out: requests are signed"}},
		{"backend: {call: 'https://a.example/#x', secret_file: /s}", []string{"backend.call", "leave them out"}},
		{"keep_alive: {interval: 1ns}", []string{"keep_alive.interval is 1ns; give it 1ms or more"}},
		{"keep_alive: {timeout: 1ns}", []string{"keep_alive.timeout is 1ns; give it 1ms or more"}},
		{"drain: {window: 1ns, ready_delay: 100h}", []string{"drain.window is 1ns; give it 1ms or more", "drain.ready_delay is 100h", "would not stop before; give it 1h or less"}},
		{"drain: {window: 61m}", []string{"drain.window is 1h1m", "1h or less"}},
		{"limits: {request_timeout: 1s}", []string{"less than the 10s of limits.handshake_timeout"}},
		{"limits: {message_size: 8MiB}", []string{"limits.outbox_bytes is 1MiB", "limits.session.bytes is 1MiB"}},
		{"auth: {anonymous: false}", []string{"nobody could connect"}},
		{"auth: {keys: [{id: a}]}", []string{"auth.keys[0] has 0 of secret, secret_file, file and url"}},
		{"auth: {keys: [{secret: hunter2}]}", []string{"auth.keys[0].secret is 7 bytes long"}},
		{"auth: {keys: [{url: 'http://a.example/k?x=hunter2'}]}", []string{"can be replaced"}},
		{"auth: {cookie: 'a b'}", []string{"auth.cookie"}},
		{"auth: {leeway: -1s}", []string{"auth.leeway"}},
		{"backend: {connect: 'https://a.example'}", []string{"backend.secret_file is missing"}},
		{"backend: {connect: a.example, secret_file: /s}", []string{"backend.connect is"}},
		{"backend: {events: {dir: /d}}", []string{"set backend.events.url"}},
		{"backend: {secret: hunter2, secret_file: /s}", []string{"leave out one of the two", "7 bytes"}},
		{"api: {keys: [{name: a, secret_file: /a}]}", []string{"api.keys[0].rights is missing"}},
		{"api: {keys: [{name: a, rights: [al]}]}", []string{"did you mean all?", "give it exactly one"}},
		{"api: {keys: [{name: a, rights: [all], secret_file: /a}, {name: a, rights: [all], secret_file: /b}]}", []string{"api.keys[1].name", "as in api.keys[0]"}},
		{"tracing: {endpoint: 'localhost:4318'}", []string{"tracing.endpoint"}},
		{"tracing: {endpoint: 'http://a:hunter2@localhost:4318'}", []string{"tracing.endpoint", "OTEL_EXPORTER_OTLP_HEADERS"}},
		{"tracing: {ratio: 5%, service: ''}", []string{"tracing.ratio is", "a share from 0 to 1"}},
		{"tracing: {ratio: 1.5}", []string{"tracing.ratio is"}},
		{"tracing: {ratio: -0.1}", []string{"tracing.ratio is"}},
		{"tracing: {ratio: nan}", []string{"tracing.ratio is"}},
		{"tracing: {ratio: [1]}", []string{"tracing.ratio is a list, and takes a share from 0 to 1"}},
		{"tracing: {service: ''}", []string{"tracing.service is empty"}},
		{"tracing: {attributes: [production]}", []string{"tracing.attributes[0]", "deployment.environment.name=production"}},
		{"broker: redis", []string{"broker is"}},
		{"broker: {url: redis}", []string{"broker.url", "redis://localhost:6379"}},
		{"broker: {url: ''}", []string{"broker.url is empty"}},
		{"broker: {url: 'memory redis://a'}", []string{"broker.url"}},
		{"broker: {url: 'nats://a', prefix: 'a.b'}", []string{"broker.prefix", "which NATS does not take"}},
		{"broker: {embedded: {nodes: ['nats://:6222']}, prefix: 'a:b'}", []string{"broker.prefix", "which NATS does not take"}},
		{"broker: {embedded: {nodes: ['10.0.0.1:6222']}}", []string{"broker.embedded.nodes[0]", "write it as nats://host:port"}},
		{"broker: {embedded: {nodes: ['nats://localhost', 'nats://u:p@localhost:1']}}", []string{"broker.embedded.nodes[1]", "write it as nats://host:port"}},
		{"broker: {embedded: {nodes: ['nats://localhost:0']}}", []string{"broker.embedded.nodes[0]"}},
		{"broker: {embedded: {nodes: ['nats://localhost', 'nats://localhost:6222']}}", []string{"broker.embedded.nodes[1]", "there twice"}},
		{"broker: {embedded: {nodes: ['nats://10.0.0.1', 'nats://10.0.0.2']}}", []string{"broker.cluster.secret_file is missing", "RINGDOWN_BROKER_CLUSTER_SECRET"}},
		{"broker: {embedded: {nodes: ['nats://:6222', 'nats://localhost:1']}}", []string{"broker.cluster.secret_file is missing"}},
		{"broker: {embedded: {nodes: ['nats://localhost:2', 'nats://localhost:1'], listen: ':2'}}", []string{"broker.cluster.secret_file is missing"}},
		{"broker: {url: 'redis://a', embedded: {nodes: ['nats://localhost']}}", []string{"broker.embedded.nodes is given, and broker.url is, too"}},
		{"broker: {embedded: {dir: /x}}", []string{"broker.embedded.nodes is missing"}},
		{"broker: {embedded: {nodes: ['nats://10.0.0.1', 'nats://10.0.0.2']}, cluster: {tls: {cert: /c}}}", []string{"broker.cluster.tls.key is missing", "broker.cluster.tls.ca is missing"}},
		{"broker: {url: 'redis://a', cluster: {tls: {cert: /c, key: /k, ca: /a}}}", []string{"broker.cluster.tls is given", "give broker.cluster.listen"}},
		{"broker: {embedded: {nodes: ['nats://localhost'], listen: x}}", []string{"broker.embedded.listen"}},
		{"broker: {url: 'nats://a', nats: {replicas: 6, max_age: 1m, max_count: 0}}", []string{"broker.nats.replicas", "broker.nats.max_age", "broker.nats.max_count"}},
		{"broker: {embedded: {nodes: ['nats://localhost']}, nats: {replicas: 3}}", []string{"broker.nats.replicas", "there are 1 nodes"}},
		{"broker: {url: 'amqp://a', rabbitmq: {log_bytes: 1MiB}}", []string{"broker.rabbitmq.log_bytes"}},
		{"broker: {prefix: 'a b', node: 'a.b', node_timeout: 10ms}", []string{"broker.prefix", "broker.node is", "broker.node_timeout"}},
		{"dev: true\ndev: false", []string{"already defined at line 1"}},
		{"dev: [", []string{"line 1"}},
		{"dev: *a", []string{"anchor"}},
		{"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]", []string{`"a" is unknown`}},
		{"dev: true\n---\ndev: false", []string{"more than one document"}},
		{"api: {keys: [{secret: [hunter2]}]}", []string{"is a list"}},
		{"backend: {secret: 1234567}", []string{"write it in quotes"}},
	} {
		t.Run(c.content, func(t *testing.T) {
			loaded, err := config.Load(sources(t, c.content, nil))
			if err == nil {
				t.Fatalf("taken, as %+v", loaded.Config)
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the sentence is\n%v\nand lacks\n%s", err, want)
				}
			}
			for _, secret := range []string{"hunter2", "1234567"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("a secret is told: %v", err)
				}
			}
		})
	}
}

func TestAllMistakesOfAllSourcesAreToldAtOnceInOrder(t *testing.T) {
	_, err := config.Load(sources(t, "limits:\n  connections: many\n  subscriptions: 0\nzebra: 1\nlog: {level: loud}\n",
		[]string{"RINGDOWN_DEVV=true", "RINGDOWN_KEEP_ALIVE_INTERVAL=5"}, "--max-message", "x", "--set", "rules=[{patern: a}]", "--set", "nothing", "--set", "nope=1"))
	if err == nil {
		t.Fatal("taken")
	}
	at := 0
	for _, want := range []string{
		"11 mistakes:", ".yaml:2: limits.connections", ".yaml:3: limits.subscriptions is 0", `.yaml:4: the key "zebra"`, ".yaml:5: log.level",
		"RINGDOWN_DEVV: this variable is unknown; did you mean RINGDOWN_DEV?", "RINGDOWN_KEEP_ALIVE_INTERVAL: keep_alive.interval is \"5\", which has no unit",
		"--set: its argument has no =", `--set: the key "nope" is unknown`, "--max-message: limits.message_size",
		"--set rules: the key \"rules[0].patern\" is unknown; did you mean", "--set rules: rules[0].pattern is missing",
	} {
		found := strings.Index(err.Error()[at:], want)
		if found < 0 {
			t.Fatalf("after %q there is no %q in\n%v", err.Error()[:at], want, err)
		}
		at += found
	}
}

func TestLaterSourcesWin(t *testing.T) {
	const file = "dev: false\nlisten: {address: '127.0.0.1:1'}\norigins: [https://file.example]\nlimits: {connections: 1, calls: 7}\n"
	environ := []string{"HOME=/root", "RINGDOWN_LISTEN_ADDRESS=127.0.0.1:2", "RINGDOWN_ORIGINS=https://env.example, https://b.example", "RINGDOWN_LIMITS_CONNECTIONS=2",
		"RINGDOWN_LOG_LEVEL=", "RINGDOWN_PORT=tcp://10.0.0.1:80", "RINGDOWN_SERVICE_HOST=10.0.0.1", "RINGDOWN_PORT_8000_TCP_ADDR=10.0.0.1"}
	s := sources(t, file, environ, "--max-connections", "3", "--dev", "--set", "limits.subscriptions=9")
	loaded, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	for _, check := range []struct {
		key, source string
		got, want   any
	}{
		{"limits.connections", "--max-connections", c.Limits.Connections, 3},
		{"dev", "--dev", c.Dev, true},
		{"listen.address", "RINGDOWN_LISTEN_ADDRESS", c.Listen.Address, "127.0.0.1:2"},
		{"origins", "RINGDOWN_ORIGINS", strings.Join(c.Origins, "+"), "https://env.example+https://b.example"},
		{"limits.calls", s.File + ":4", c.Limits.Calls, 7},
		{"limits.subscriptions", "--set limits.subscriptions", c.Limits.Subscriptions, 9},
		{"log.level", "default", c.Log.Level, "info"},
	} {
		if check.got != check.want || loaded.Source(check.key) != check.source {
			t.Errorf("%s is %v from %s, want %v from %s", check.key, check.got, loaded.Source(check.key), check.want, check.source)
		}
	}
}

func TestFileIsNamedByFlagOrEnvironment(t *testing.T) {
	var names []string
	for i := range 2 {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(name, fmt.Appendf(nil, "limits: {calls: %d}", i+1), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	environ := []string{"RINGDOWN_CONFIG=" + names[0]}
	for i, args := range [][]string{nil, {"--config", names[1]}} {
		loaded, err := config.Load(sources(t, "", environ, args...))
		if err != nil || loaded.Config.Limits.Calls != i+1 || loaded.File != names[i] {
			t.Errorf("%v: %+v, %v", args, loaded, err)
		}
	}
	if _, err := config.Load(config.Sources{File: "/nowhere/ringdown.yaml"}); err == nil || !strings.Contains(err.Error(), "/nowhere/ringdown.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := config.Load(sources(t, "", environ, "--config", "")); err == nil || !strings.Contains(err.Error(), "--config is empty") {
		t.Errorf("an empty name: %v", err)
	}
	big := sources(t, strings.Repeat("# nothing\n", 200_000), nil)
	if _, err := config.Load(big); err == nil || !strings.Contains(err.Error(), "longer than 1MiB") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestListenersThatDoNotMeetAreTaken(t *testing.T) {
	for _, listen := range []string{
		"{address: '127.0.0.1:0', more: [{address: '127.0.0.1:0'}, {address: ':0'}]}",
		"{address: '127.0.0.1:8000', more: [{address: '127.0.0.2:8000'}, {address: '[::1]:8000'}, {address: '127.0.0.1:8001'}]}",
		"{address: '0.0.0.0:8000', more: [{address: '[::1]:8000'}, {address: 'unix:/a'}, {address: 'unix:/b'}]}",
	} {
		if _, err := config.Load(sources(t, "listen: "+listen, nil)); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestWrongFileIsRefusedWithABoundedAnswer(t *testing.T) {
	var content strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&content, "key%d: value\n", i)
	}
	_, err := config.Load(sources(t, content.String(), nil))
	if err == nil || strings.Count(err.Error(), "\n") > 200 {
		t.Errorf("%.1000v", err)
	}
}
