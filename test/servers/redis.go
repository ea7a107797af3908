//go:build linux

// Redis: alone, with TLS and a user, as a cluster, and watched by sentinels.

package servers

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Redis is one redis-server.
type Redis struct {
	*Process
	Addr string // host and port
	dir  string
	tls  *tls.Config // nil without TLS
	auth string      // the arguments of AUTH; "" if none is needed
}

// RedisOptions say what kind of server is started. The zero value is one that forgets everything when it is killed.
type RedisOptions struct {
	Durable bool     // every write is on disk before it is answered
	Args    []string // more of the command line
}

// StartRedis starts a server. The programs redis-server and redis-sentinel come with the packages of the same names.
func StartRedis(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	r := newRedis(t, o)
	r.Start()
	return r
}

func newRedis(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	port := freePort(t)
	args := []string{"--port", port}
	if o.Durable {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	}
	return redisProcess(t, program(t, "redis-server", "redis-server"), port, append(args, o.Args...))
}

func redisProcess(t testing.TB, path, port string, args []string) *Redis {
	t.Helper()
	r := &Redis{Addr: "127.0.0.1:" + port, dir: t.TempDir()}
	log := filepath.Join(r.dir, "log")
	args = append(args, "--bind", "127.0.0.1", "--save", "", "--dir", r.dir, "--logfile", log, "--daemonize", "no")
	r.Process = &Process{t: t, name: "redis-server", log: log, ready: r.ping, command: func() *exec.Cmd { return exec.Command(path, args...) }}
	t.Cleanup(r.Kill)
	return r
}

// URL is the address for broker/redis, without user.
func (r *Redis) URL() string { return "redis://" + r.Addr }

func (r *Redis) ping() error {
	answer, err := r.ask("PING")
	if err == nil && answer != "+PONG" {
		err = fmt.Errorf("PING is answered %q", answer)
	}
	return err
}

// Flush deletes everything that is stored.
func (r *Redis) Flush() {
	r.t.Helper()
	if answer, err := r.ask("FLUSHALL"); err != nil || answer != "+OK" {
		r.t.Fatalf("FLUSHALL: %q, %v", answer, err)
	}
}

// Do runs an inline command and returns the first line of its answer, which must not be an error.
func (r *Redis) Do(command string) string {
	r.t.Helper()
	answer, err := r.ask(command)
	if err != nil || strings.HasPrefix(answer, "-") {
		r.t.Fatalf("%s: %q, %v", command, answer, err)
	}
	return answer
}

// ask sends an inline command over a connection of its own.
func (r *Redis) ask(command string) (string, error) {
	dialer := &net.Dialer{Timeout: time.Second}
	var c net.Conn
	var err error
	if r.tls != nil {
		c, err = tls.DialWithDialer(dialer, "tcp", r.Addr, r.tls)
	} else {
		c, err = dialer.Dial("tcp", r.Addr)
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	lines := bufio.NewReader(c)
	commands := []string{command}
	if r.auth != "" {
		commands = []string{"AUTH " + r.auth, command}
	}
	var answer string
	for _, command := range commands {
		if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
			return "", err
		}
		if answer, err = lines.ReadString('\n'); err != nil {
			return "", err
		}
		if strings.HasPrefix(answer, "$") && answer != "$-1\r\n" { // a bulk string; its first line will do
			if answer, err = lines.ReadString('\n'); err != nil {
				return "", err
			}
		}
	}
	return strings.TrimSpace(answer), nil
}

// SecureRedis is a server that speaks TLS only, to users of its list only.
type SecureRedis struct {
	*Redis
	CA             *x509.CertPool
	CAFile         string
	User, Password string // of a user with the rules that it was started with
}

// StartSecureRedis starts a server with TLS and one user with these ACL rules.
func StartSecureRedis(t testing.TB, rules string) *SecureRedis {
	t.Helper()
	files := newCertificate(t)
	s := &SecureRedis{CA: files.pool, CAFile: files.cert, User: "ringdown", Password: "p@ss/word"}
	acl := filepath.Join(t.TempDir(), "users.acl")
	users := fmt.Sprintf("user default on nopass ~* &* +@all\nuser %s on >%s %s\n", s.User, s.Password, rules)
	users = strings.Replace(users, "user default on nopass", "user default on >admin", 1)
	if err := os.WriteFile(acl, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s.Redis = redisProcess(t, program(t, "redis-server", "redis-server"), port, []string{"--port", "0", "--tls-port", port, "--aclfile", acl,
		"--tls-cert-file", files.cert, "--tls-key-file", files.key, "--tls-ca-cert-file", files.cert, "--tls-auth-clients", "no"})
	s.tls, s.auth = &tls.Config{RootCAs: files.pool}, "admin"
	s.Start()
	return s
}

// RedisCluster are the masters of a cluster, between them with all slots.
type RedisCluster []*Redis

// StartRedisCluster starts a cluster of n masters without replicas, with more arguments if given.
func StartRedisCluster(t testing.TB, n int, args ...string) RedisCluster {
	t.Helper()
	var all RedisCluster
	for range n {
		all = append(all, StartRedis(t, RedisOptions{Durable: true, Args: append([]string{"--cluster-enabled", "yes", "--cluster-port", freePort(t),
			"--cluster-node-timeout", "5000", "--cluster-require-full-coverage", "no"}, args...)}))
	}
	const slots = 16384
	for i, r := range all {
		r.Do(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*slots/n, (i+1)*slots/n-1))
		r.Do(fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
	}
	for _, other := range all[1:] {
		host, port, _ := net.SplitHostPort(other.Addr)
		all[0].Do(fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, other.busPort()))
	}
	eventually(t, "the cluster is complete", func() bool {
		for _, r := range all {
			if answer, err := r.askAll("CLUSTER INFO"); err != nil || !strings.Contains(answer, "cluster_state:ok") ||
				!strings.Contains(answer, fmt.Sprintf("cluster_known_nodes:%d", n)) || !strings.Contains(answer, "cluster_slots_ok:16384") {
				return false
			}
		}
		return true
	})
	return all
}

// URL is the address for broker/redis.
func (c RedisCluster) URL() string {
	var hosts []string
	for _, r := range c {
		hosts = append(hosts, r.Addr)
	}
	return "redis+cluster://" + strings.Join(hosts, ",")
}

// MoveSlotOf moves the slot of a key, with all keys in it, from its server to another one.
func (c RedisCluster) MoveSlotOf(key string) {
	c[0].t.Helper()
	slot, err := strconv.Atoi(strings.TrimPrefix(c[0].Do("CLUSTER KEYSLOT "+key), ":"))
	if err != nil {
		c[0].t.Fatal(err)
	}
	from := slices.IndexFunc(c, func(r *Redis) bool {
		answer, err := r.ask(fmt.Sprint("CLUSTER COUNTKEYSINSLOT ", slot))
		return err == nil && answer != ":0"
	})
	if from < 0 {
		c[0].t.Fatalf("no server holds a key of the slot of %s", key)
	}
	source, target := c[from], c[(from+1)%len(c)]
	sourceID, targetID := source.Do("CLUSTER MYID"), target.Do("CLUSTER MYID")
	target.Do(fmt.Sprint("CLUSTER SETSLOT ", slot, " IMPORTING ", sourceID))
	source.Do(fmt.Sprint("CLUSTER SETSLOT ", slot, " MIGRATING ", targetID))
	host, port, _ := net.SplitHostPort(target.Addr)
	for {
		keys, err := source.askLines(fmt.Sprint("CLUSTER GETKEYSINSLOT ", slot, " 100"))
		if err != nil {
			source.t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		for i, key := range keys {
			keys[i] = strconv.Quote(key) // as an inline command takes it
		}
		source.Do(fmt.Sprint("MIGRATE ", host, " ", port, ` "" 0 5000 KEYS `, strings.Join(keys, " ")))
	}
	for _, r := range []*Redis{target, source} {
		r.Do(fmt.Sprint("CLUSTER SETSLOT ", slot, " NODE ", targetID))
	}
}

func (r *Redis) busPort() string {
	args := r.cmd.Args
	for i, arg := range args {
		if arg == "--cluster-port" {
			return args[i+1]
		}
	}
	return ""
}

// askAll is ask for an answer of many lines.
func (r *Redis) askAll(command string) (string, error) {
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "%s\r\n", command)
	lines := bufio.NewReader(c)
	var size int
	if _, err := fmt.Fscanf(lines, "$%d\r\n", &size); err != nil {
		return "", fmt.Errorf("%s is answered with no text: %w", command, err)
	}
	text := make([]byte, size)
	_, err = io.ReadFull(lines, text)
	return string(text), err
}

// askLines is ask for an answer that is a list of texts, none with a line break.
func (r *Redis) askLines(command string) (all []string, err error) {
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "%s\r\n", command)
	lines := bufio.NewReader(c)
	var count int
	if _, err := fmt.Fscanf(lines, "*%d\r\n", &count); err != nil {
		return nil, fmt.Errorf("%s is answered with no list: %w", command, err)
	}
	for range 2 * count { // a length, a text
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(line, "$") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all, nil
}

// Sentinels are a master, its replica, and three sentinels that watch them.
type Sentinels struct {
	Servers  [2]*Redis // at first the first one is the master
	Watchers []*Redis
	Set      string // the name of the master set
}

// StartSentinels starts all of it. A master that does not answer for two seconds is failed over.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	s := &Sentinels{Set: "main"}
	s.Servers[0] = StartRedis(t, RedisOptions{})
	host, port, _ := net.SplitHostPort(s.Servers[0].Addr)
	s.Servers[1] = StartRedis(t, RedisOptions{Args: []string{"--replicaof", host + " " + port, "--repl-diskless-sync-delay", "0"}})
	s.Servers[0].Do("CONFIG SET repl-diskless-sync-delay 0")
	eventually(t, "the replica follows", func() bool {
		answer, err := s.Servers[1].askAll("INFO replication")
		return err == nil && strings.Contains(answer, "master_link_status:up")
	})
	for range 3 {
		s.Watchers = append(s.Watchers, startSentinel(t, s.Set, host, port))
	}
	eventually(t, "the sentinels know each other and the replica", func() bool {
		for _, w := range s.Watchers {
			if answer, err := w.askAll("INFO sentinel"); err != nil || !strings.Contains(answer, "slaves=1,sentinels=3") {
				return false
			}
		}
		return true
	})
	return s
}

func startSentinel(t testing.TB, set, host, port string) *Redis {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	own := freePort(t)
	text := fmt.Sprintf("port %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s 2000\nsentinel failover-timeout %s 3000\n",
		own, set, host, port, set, set)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := redisProcess(t, program(t, "redis-sentinel", "redis-sentinel"), own, []string{file})
	r.Start()
	// A watcher that is kept from running for two seconds trusts itself no more, for half a minute; and it asks seldom.
	r.Do("SENTINEL DEBUG tilt-trigger 60000 tilt-period 1000 info-period 500 publish-period 500 ask-period 500")
	return r
}

// URL is the address for broker/redis.
func (s *Sentinels) URL() string {
	var hosts []string
	for _, w := range s.Watchers {
		hosts = append(hosts, w.Addr)
	}
	return "redis+sentinel://" + strings.Join(hosts, ",") + "/" + s.Set
}

// AwaitMaster waits until the sentinels agree that a server is the master, and it is one.
func (s *Sentinels) AwaitMaster(r *Redis) {
	r.t.Helper()
	eventually(r.t, "there is a new master", func() bool {
		answer, err := r.askAll("INFO replication")
		if err != nil || !strings.Contains(answer, "role:master") {
			return false
		}
		for _, w := range s.Watchers {
			if answer, err := w.askAll("INFO sentinel"); err != nil || !strings.Contains(answer, r.Addr) {
				return false
			}
		}
		return true
	})
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after %v: %s", patience, what)
		}
	}
}
