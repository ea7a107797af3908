package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// configFile writes a configuration file.
func configFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ringdown.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestConfigDefaultsCanBeChecked(t *testing.T) {
	printed := runCommand(t, nil, "config", "defaults")
	printed.check(t, 0, config.Defaults())
	name := configFile(t, printed.out)
	runCommand(t, nil, "config", "check", name).check(t, 0, name+": nothing is wrong\n")
	runCommand(t, nil, "config", "reference").check(t, 0, config.Reference())
}

func TestConfigCheckTellsEveryMistake(t *testing.T) {
	name := configFile(t, "limits:\n  mesage_size: 1\n  calls: none\n")
	runCommand(t, nil, "config", "check", name).check(t, 1, "", "2 mistakes", name+":2: ", `did you mean "message_size"?`, name+":3: limits.calls")
	name = configFile(t, "backend: {secret: 0123456789abcdef0123456789abcdef}")
	checked := runCommand(t, nil, "config", "check", name)
	checked.check(t, 0, name+": nothing is wrong\n", "warning: ", "backend.secret_file")
	if strings.Contains(checked.errs, "0123456789abcdef") {
		t.Errorf("the secret is told: %s", checked.errs)
	}
	runCommand(t, nil, "config", "check", "/nowhere/ringdown.yaml").check(t, 1, "", "/nowhere/ringdown.yaml")
}

func TestConfigShowTellsWhereValuesComeFrom(t *testing.T) {
	name := configFile(t, "limits: {calls: 7}\nbackend: {secret: 0123456789abcdef0123456789abcdef}\n")
	t.Setenv("RINGDOWN_CONFIG", name)
	t.Setenv("RINGDOWN_LOG_LEVEL", "debug")
	shown := runCommand(t, nil, "config", "show", "--max-message", "1KiB", "--set", "broker.url=memory")
	for _, want := range []string{
		`limits.calls +7 +` + regexp.QuoteMeta(name) + `:1`, `log.level +debug +RINGDOWN_LOG_LEVEL`, `limits.message_size +1KiB +--max-message`,
		`broker.url +memory +--set broker`, `dev +false +default`, `backend.secret +… +`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `.*$`).MatchString(shown.out) {
			t.Errorf("no line is as %s:\n%s%s", want, shown.out, shown.errs)
		}
	}
	if strings.Contains(shown.out, "0123456789abcdef") {
		t.Error("the secret is shown")
	}
}

func TestServeRefusesAConfigurationWithMistakes(t *testing.T) {
	runCommand(t, nil, "serve", "--config", configFile(t, "listn: {}")).check(t, 1, "", `did you mean "listen"?`)
	t.Setenv("RINGDOWN_DEVV", "true")
	runCommand(t, nil, "serve").check(t, 1, "", "did you mean RINGDOWN_DEV?")
}

// await waits until the log has a line as wanted.
func (p *process) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !regexp.MustCompile(want).MatchString(p.log.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log lacks %s:\n%s", want, p.log.String())
		}
	}
}

func TestHangupReloadsTheConfiguration(t *testing.T) {
	const before = "rules: [{pattern: lobby}]\nlimits: {header_size: 32KiB}\n"
	name := configFile(t, before)
	p := serveProcess(t, "--listen", "127.0.0.1:0", "--config", name)
	reload := func(content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	publish := func() string { return runCommand(t, nil, "publish", "--url", "http://"+p.host, "lobby", "hello").errs }
	c := p.join(t)
	if errs := publish(); !strings.Contains(errs, "lobby") {
		t.Errorf("publishing before: %q", errs)
	}

	reload("rules: [{pattern: lobby, publish: everyone}]\nlog: {level: chatty}\n")
	p.await(t, `level=ERROR msg="the configuration was not reloaded.*:2: log.level is .*chatty`)
	if errs := publish(); errs == "" {
		t.Error("a file with mistakes has changed the rules")
	}

	reload("rules: [{pattern: lobby, publish: everyone}]\nlimits: {header_size: 16KiB}\nlog: {level: debug}\n")
	p.await(t, `msg="configuration reloaded".*changed=2 need_restart=1`)
	for _, want := range []string{
		`msg=changed key=rules .*source=` + regexp.QuoteMeta(fmt.Sprintf("%s:1", name)), `msg=changed key=log.level from=info to=debug`,
		`level=WARN msg="this change takes a restart" key=limits.header_size from=32KiB to=16KiB`,
	} {
		p.await(t, want)
	}
	if errs := publish(); errs != "" {
		t.Errorf("publishing after: %q", errs)
	}
	if _, payload, err := c.Read(t.Context()); string(payload) != "hello" {
		t.Errorf("who was connected got %q, %v", payload, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the client saw %v, want close code 1012", err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the node ended with %v:\n%s", err, p.log.String())
	}
}
