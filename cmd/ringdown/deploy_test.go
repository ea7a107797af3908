package main

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ringdown/ringdown/server/config"
)

func TestTheDeployedConfigurationIsGood(t *testing.T) {
	if r := runCommand(t, nil, "config", "check", "../../deploy/ringdown.yaml"); r.status != 0 {
		t.Errorf("deploy/ringdown.yaml: %s%s", r.out, r.errs)
	}
}

// Otherwise every client would count as the proxy.
func TestTheComposedNodeTrustsTheNetworkOfItsProxy(t *testing.T) {
	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var composed struct {
		Services map[string]struct{ Environment map[string]string }
		Networks struct {
			Default struct {
				IPAM struct{ Config []struct{ Subnet string } }
			}
		}
	}
	if err := yaml.Unmarshal(text, &composed); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for name, value := range composed.Services["ringdown"].Environment {
		environ = append(environ, name+"="+value)
	}
	loaded, err := config.Load(config.Sources{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	trusted, networks := loaded.Config.Listen.TrustedProxies, composed.Networks.Default.IPAM.Config
	if len(trusted) != 1 || len(networks) != 1 || trusted[0] != networks[0].Subnet {
		t.Errorf("trusted are %q, and the network is %q", trusted, networks)
	}
}
