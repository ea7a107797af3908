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
func TestTheComposedNodesTrustTheNetworkOfTheirProxy(t *testing.T) {
	for file, nodes := range map[string][]string{"single.yaml": {"ringdown"}, "compose.yaml": {"node1", "node2"}} {
		for _, node := range nodes {
			t.Run(file+" "+node, func(t *testing.T) { checkComposed(t, "../../deploy/"+file, node) })
		}
	}
}

func checkComposed(t *testing.T, file, node string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var composed struct {
		Services map[string]struct {
			Environment map[string]string
			Command     []string
		}
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
	for name, value := range composed.Services[node].Environment {
		environ = append(environ, name+"="+value)
	}
	for i, flag := range composed.Services[node].Command {
		if flag == "--broker" {
			environ = append(environ, "RINGDOWN_BROKER_URL="+composed.Services[node].Command[i+1])
		}
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
