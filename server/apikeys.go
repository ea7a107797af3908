// Keys of the server API, out of the configuration.

package server

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ringdown/ringdown/server/api"
	"github.com/ringdown/ringdown/server/config"
)

// minKey and maxKeyFile bound keys in files, in bytes. The former is what the configuration asks of those that stand in it.
const (
	minKey     = 32
	maxKeyFile = 4096
)

// apiKeys returns the keys that are configured, found sound. Those in files are read; the error says which key is not sound, and never
// what it is.
func apiKeys(c *config.API) ([]api.Key, error) {
	var keys []api.Key
	for i, k := range c.Keys {
		key := api.Key{Name: k.Name, Secret: string(k.Secret), Channels: k.Channels}
		for _, right := range k.Rights {
			if right == "all" {
				key.Rights = []api.Right{api.Publish, api.Read, api.Manage}
				break
			}
			key.Rights = append(key.Rights, api.Right(right))
		}
		if k.SecretFile != "" {
			secret, err := readSecret(k.SecretFile, "key", minKey)
			if err != nil {
				return nil, fmt.Errorf("api.keys[%d].secret_file: %w", i, err)
			}
			key.Secret = secret
		}
		keys = append(keys, key)
	}
	_, err := api.NewKeys(keys)
	return keys, err
}

// readSecret reads a secret of so many bytes or more from a file, without the space around it; what is how errors call it.
func readSecret(name, what string, least int) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("the %s cannot be read: %w; name a file that this program may read", what, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return "", fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	if len(content) > maxKeyFile {
		return "", fmt.Errorf("%s has more than %d bytes; name a file that holds nothing but the %s", name, maxKeyFile, what)
	}
	key := strings.TrimSpace(string(content))
	if len(key) < least {
		return "", fmt.Errorf("the %s in %s is %d bytes long, and can be guessed; make one of %d bytes or more, with `openssl rand -hex 32`", what, name, len(key), least)
	}
	return key, nil
}
