package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ringdown/ringdown/server/config"
)

const secret = "correct-horse-battery-staple-32-bytes-at-least"

func TestSecretsAreNeverPrinted(t *testing.T) {
	file := fmt.Sprintf("auth: {keys: [{secret: %[1]s}]}\nbackend: {connect: 'https://a.example/x?key=%[1]s', secret: %[1]s}\n"+
		"api: {keys: [{name: a, rights: [all], secret: %[1]s}]}\n"+
		"broker: {url: 'redis://:%[1]s@a,b redis+sentinel://s/main?sentinel_password=%[1]s redis://u:x%[1]s/y@[z nats://%[1]s@h tls://%[1]s@h,i'}\n", secret)
	loaded, err := config.Load(sources(t, file, nil))
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	if string(c.Auth.Keys[0].Secret) != secret || string(c.Backend.Secret) != secret || string(c.API.Keys[0].Secret) != secret {
		t.Error("a secret was not read")
	}
	var out bytes.Buffer
	c.Backend.Connect, c.Broker.URL = "", "" // a URL is printed by Values and Diff alone, which hide its password and its query
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.Auth.Keys[0].Secret)
	}
	json.NewEncoder(&out).Encode(c)
	yaml.NewEncoder(&out).Encode(c)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("", "config", c, "secret", c.Backend.Secret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "config", c, "secret", c.Backend.Secret)
	for _, v := range loaded.Values() {
		fmt.Fprintln(&out, v)
	}
	fmt.Fprintln(&out, config.Diff(config.Default(), loaded.Config), loaded.Warnings)
	if strings.Contains(out.String(), secret) || strings.Contains(out.String(), fmt.Sprintf("%x", secret)) {
		t.Errorf("a secret is printed:\n%s", &out)
	}
	if len(loaded.Warnings) != 4 || !strings.Contains(loaded.Warnings[1], "auth.keys[0].secret_file") {
		t.Errorf("the warnings are %q", loaded.Warnings)
	}
}

func TestMistakesDoNotTellSecrets(t *testing.T) {
	for _, s := range []config.Sources{
		sources(t, "backend: {secret: ["+secret+"]}", nil),
		sources(t, "backend: {secret: {"+secret+": 1}}", nil),
		sources(t, "backend: {secret: "+secret+", secret_file: /x}", nil),
		sources(t, "api: {keys: "+secret+"}", nil),
		sources(t, "auth: {keys: ["+secret+"]}", nil),
		sources(t, "auth: {keys: [{url: 'http://x:"+secret+"@a.example/?k="+secret+"'}]}", nil),
		sources(t, "backend: {secret: '"+secret, nil),
		sources(t, "backend:\n  secret: "+secret+": x\n", nil),
		sources(t, "", []string{"RINGDOWN_BACKEND_SECRTE=" + secret}),
		sources(t, "", []string{"RINGDOWN_API_KEYS=" + secret}),
		sources(t, "", []string{"RINGDOWN_API_KEYS=[{secret: " + secret}),
		sources(t, "api: {keys: [{name: a, rights: [all], secret: *"+secret+"}]}", nil),
		sources(t, "api: {keys: [{name: a, rights: [all], secret: !!int "+secret+"}]}", nil),
		sources(t, "backend: {secret: !!float '"+secret+"'}", nil),
		sources(t, "", []string{"RINGDOWN_API_KEYS=[{secret: *" + secret + "}]"}),
		sources(t, "", []string{"RINGDOWN_API_KEYS=[{secret: !!int " + secret + "}]"}),
		sources(t, "", nil, "--set", "backend.secret:"+secret),
		sources(t, "", nil, "--set", "backend.secrets="+secret),
	} {
		if _, err := config.Load(s); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("told: %v", err)
		}
	}
}

func TestSecretFromTheEnvironmentIsNoWarning(t *testing.T) {
	loaded, err := config.Load(sources(t, "", []string{"RINGDOWN_BACKEND_SECRET=" + secret}))
	if err != nil || len(loaded.Warnings) != 0 {
		t.Errorf("%v, %v", loaded, err)
	}
	loaded, err = config.Load(sources(t, "", nil, "--set", "backend.secret="+secret))
	if err != nil || len(loaded.Warnings) != 1 {
		t.Errorf("on the command line, which everybody can read: %v, %v", loaded, err)
	}
}

func TestDiffTellsWhatARunningNodeCanTake(t *testing.T) {
	next := config.Default()
	next.Rules = []config.Rule{{Pattern: "a"}}
	next.Listen.Address = "127.0.0.1:9"
	next.Backend.Secret = secret
	next.Origins = []string{} // as good as none
	want := `[{listen.address "127.0.0.1:8000" "127.0.0.1:9" false} {rules [] [{pattern: a}] true} {backend.secret "" … false}]`
	if got := fmt.Sprint(config.Diff(config.Default(), next)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	live := config.Live(config.Default(), next)
	if live.Listen.Address != config.Default().Listen.Address || len(live.Rules) != 1 {
		t.Errorf("live are %v", config.Diff(config.Default(), live))
	}
}
