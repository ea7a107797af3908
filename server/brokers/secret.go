// What nodes know each other by.

package brokers

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/listen"
)

// minSecret is as many bytes as the configuration asks of a secret, which cannot look into files.
const minSecret = 32

// ClusterSecret is the secret of the nodes, or nil if there is none.
func ClusterSecret(c *config.Cluster) ([]byte, error) {
	if c.SecretFile == "" {
		return []byte(c.Secret), nil
	}
	content, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("broker.cluster.secret_file cannot be read: %w", err)
	}
	content = []byte(strings.TrimRight(string(content), "\r\n"))
	if len(content) < minSecret {
		return nil, fmt.Errorf("broker.cluster.secret_file %s holds %d bytes, which can be guessed; put %d or more there, with `openssl rand -base64 48`",
			c.SecretFile, len(content), minSecret)
	}
	return content, nil
}

// ClusterTLS is the TLS that nodes speak to each other, or nil if they speak none.
func ClusterTLS(c *config.Cluster, log *slog.Logger) (*tls.Config, error) {
	if !c.TLS.On() {
		return nil, nil
	}
	secure, err := listen.Mutual(c.TLS.Cert, c.TLS.Key, c.TLS.CA, log)
	if err != nil {
		return nil, fmt.Errorf("broker.cluster.tls: %w", err)
	}
	return secure, nil
}
