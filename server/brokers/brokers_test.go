package brokers_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/config"
)

func TestAnAddressThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	for address, want := range map[string]string{
		"kafka://me:hunter2@a":                        "no broker for kafka://",
		"redis://me:hunter2@a:port":                   "host",
		"redis://me:hunter2@a redis+x://me:hunter2@b": "scheme",
		"redis://me:hunt%zzer2@a":                     "escape",
	} {
		_, err := brokers.Open(&config.Broker{URL: address}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunt") || !strings.HasPrefix(err.Error(), "broker.url: ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Whoever forgets to escape a password is told so, and the log does not tell the password.
func TestAPasswordThatIsNotEscapedIsNotTold(t *testing.T) {
	for _, scheme := range append(brokers.Schemes(), "redis+cluster", "redis+sentinel", "kafka", "") {
		for _, special := range []string{"/", "?", "#", "@", ":", "%", "%zz", " ", ",", "/?", "&x=", "?insecure=", "://", "\n"} {
			for _, rest := range []string{"@host:1/main", "@host?db=x", "@host:port"} {
				address := strings.TrimPrefix(scheme+"://", "://") + "me:hunt" + special + "zz2" + rest
				b, err := brokers.Open(&config.Broker{URL: address}, slog.New(slog.DiscardHandler))
				if err == nil {
					b.Close()
				} else if strings.Contains(err.Error(), "hunt") || strings.Contains(err.Error(), "zz2") {
					t.Errorf("%q: %v", address, err)
				}
			}
		}
	}
}

func TestEachSchemeOpensItsBroker(t *testing.T) {
	for _, scheme := range brokers.Schemes() {
		b, err := brokers.Open(&config.Broker{URL: scheme + "://localhost:1", Node: "n1"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if b.Node() != "n1" || !b.Remote() {
			t.Errorf("%s: the node is %q", scheme, b.Node())
		}
		if err := b.Ready(t.Context()); err == nil || strings.Contains(err.Error(), "localhost") {
			t.Errorf("%s is ready before it was started, or tells its address: %v", scheme, err)
		}
		b.Close()
	}
}
