// Keys: who may ask for what.

package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/ringdown/ringdown/hub"
	patterns "github.com/ringdown/ringdown/internal/pattern"
)

// Right is a part of the API.
type Right string

// The rights.
const (
	Publish Right = "publish" // to publish
	Read    Right = "read"    // to read history, presence, channels, sessions and the state of the node
	Manage  Right = "manage"  // to subscribe, unsubscribe and disconnect sessions, and to revoke tokens
)

// Key lets whoever knows its secret use the API.
type Key struct {
	Name   string // for the log
	Secret string // at least MinSecret bytes of printable ASCII without spaces
	Rights []Right
	// Channels are the patterns of the channels that it is bound to, as those of a [hub.Rule]. None binds it to no channel: it
	// may do everything that its rights say. A bound key does nothing that is about more than channels.
	Channels []string
}

// MinSecret is the shortest secret of a key, in bytes: 22 letters and digits cannot be guessed, shorter ones perhaps can.
const MinSecret = 22

const maxSecret = 512 // bytes

// Keys are those that a handler takes. They may be replaced while it works; the zero value holds none.
type Keys struct {
	held atomic.Pointer[[]heldKey]
}

// heldKey is a key without its secret.
type heldKey struct {
	Key
	digest [sha256.Size]byte
}

// NewKeys returns keys. The error says which one is not sound, and never what its secret is.
func NewKeys(keys []Key) (*Keys, error) {
	k := new(Keys)
	return k, k.Replace(keys)
}

// Replace takes these keys instead of those before. After an error, which is as that of [NewKeys], nothing has changed.
func (k *Keys) Replace(keys []Key) error {
	held := make([]heldKey, 0, len(keys))
	for i, key := range keys {
		if err := key.check(); err != nil {
			return fmt.Errorf("api: key %d (%q): %w", i+1, key.Name, err)
		}
		h := heldKey{Key: key, digest: sha256.Sum256([]byte(key.Secret))}
		if slices.ContainsFunc(held, func(other heldKey) bool { return other.digest == h.digest }) {
			return fmt.Errorf("api: key %d (%q) has the secret of an earlier one; give each its own", i+1, key.Name)
		}
		h.Secret = ""
		h.Rights, h.Channels = slices.Clone(key.Rights), slices.Clone(key.Channels)
		held = append(held, h)
	}
	k.held.Store(&held)
	return nil
}

func (k *Key) check() error {
	if len(k.Secret) < MinSecret || len(k.Secret) > maxSecret {
		return fmt.Errorf("its secret has %d bytes; give it %d to %d, for instance what `openssl rand -hex 32` prints", len(k.Secret), MinSecret, maxSecret)
	}
	for _, c := range []byte(k.Secret) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("its secret holds what does not fit into a header; use letters and digits")
		}
	}
	if len(k.Rights) == 0 {
		return fmt.Errorf("it has no rights; give it some of %s, %s and %s", Publish, Read, Manage)
	}
	for _, right := range k.Rights {
		if right != Publish && right != Read && right != Manage {
			return fmt.Errorf("there is no right %q; there are %s, %s and %s", right, Publish, Read, Manage)
		}
	}
	for _, pattern := range k.Channels {
		if err := patterns.Check(pattern); err != nil {
			return fmt.Errorf("its pattern %q is none: %w; write it as chat:* or news", pattern, err)
		}
	}
	return nil
}

// Len is how many keys there are.
func (k *Keys) Len() int {
	if k == nil || k.held.Load() == nil {
		return 0
	}
	return len(*k.held.Load())
}

// find returns the key with a secret, or nil. How long it takes does not depend on the secret: digests are compared, and with all keys.
func (k *Keys) find(secret string) *Key {
	if k.Len() == 0 {
		return nil
	}
	digest := sha256.Sum256([]byte(secret))
	held := *k.held.Load()
	found := -1
	for i := range held {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], held[i].digest[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return &held[found].Key
}

// bound tells whether the key is for some channels only.
func (k *Key) bound() bool { return len(k.Channels) > 0 }

// covers tells whether the key is for a channel.
func (k *Key) covers(channel string) bool {
	return !k.bound() || slices.ContainsFunc(k.Channels, func(pattern string) bool { return hub.Matches(pattern, channel) })
}

// check refuses a channel that cannot be one, or that the key is not for.
func (k *Key) checkChannel(channel string) error {
	if err := hub.CheckChannel(channel); err != nil {
		return err
	}
	if !k.covers(channel) {
		return hub.Errorf(hub.NotAllowed, "this key is not for the channel %.300q; use another key, or give it the channel", channel)
	}
	return nil
}
