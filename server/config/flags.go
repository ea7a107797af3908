// The flags of a node: a few keys that have one of their own, and one for all others.

package config

import (
	"github.com/spf13/pflag"
)

// flagKeys are the keys that have a flag of their own.
var flagKeys = map[string]string{
	"dev":             "dev",
	"listen":          "listen.address",
	"origin":          "origins",
	"max-message":     "limits.message_size",
	"max-connections": "limits.connections",
	"broker":          "broker.url",
	"cluster":         "broker.embedded.nodes",
}

// AddFlags adds the flags that [Load] reads.
func AddFlags(flags *pflag.FlagSet) {
	d := Default()
	flags.String("config", "", "YAML `file` with the configuration; also RINGDOWN_CONFIG")
	flags.Bool("dev", d.Dev, "let anybody publish; loopback only")
	flags.String("listen", d.Listen.Address, "`address` to listen on, host:port")
	flags.StringArray("origin", nil, "`origin` whose pages may connect, as https://app.example.com or *.example.com; repeatable")
	flags.String("max-message", d.Limits.MessageSize.String(), "longest message from a client, in `bytes`, or as 64KiB")
	flags.Int("max-connections", d.Limits.Connections, "most clients at once, a `number`; fewer where the limit on open files is lower")
	flags.String("broker", d.Broker.URL, "`address` of what several nodes share, as redis://localhost:6379; memory is a node by itself")
	flags.String("cluster", "", "`addresses` of nodes that share with nothing else installed, as nats://10.0.0.1:6222,nats://10.0.0.2:6222,nats://10.0.0.3:6222; the same on all")
	flags.StringArray("set", nil, "any `key=value` of the configuration, as limits.subscriptions=100; repeatable")
}
