// The names of streams and subjects, and which lane a channel belongs to.

package nats

import (
	"encoding/base64"
	"hash/fnv"
	"strings"
)

// names begin with the prefix of the deployment. What is named once is never named differently: nodes of two versions share it.
type names struct {
	prefix                   string
	channels, members, state string // streams
	live                     string // what the subjects begin with that a server repeats to the nodes
}

func newNames(prefix string) names {
	return names{prefix: prefix, channels: prefix + "_channels", members: prefix + "_members", state: prefix + "_state", live: prefix + ".live."}
}

// Stored in the stream of channels, and repeated below live as soon as they are.
func (n names) publications(channel string) string { return n.prefix + ".c." + token(channel) }

// Stored in the stream of members: the newest of each session, repeated likewise.
func (n names) member(channel, session string) string { return n.memberOf(channel) + token(session) }
func (n names) memberOf(channel string) string        { return n.prefix + ".m." + token(channel) + "." }

// Stored in the stream of state: the newest of each.
func (n names) key(channel, key string) string {
	return n.prefix + ".k." + token(channel) + "." + token(key)
}
func (n names) value(key string) string { return n.prefix + ".v." + token(key) }
func (n names) node(name string) string { return n.prefix + ".n." + name }

// Not stored at all.
func (n names) liveOf(channel string) string { return n.live + token(channel) + ".*" }
func (n names) tell(node string) string      { return n.prefix + ".tell." + node }
func (n names) tellAll() string              { return n.prefix + ".all" }

// token writes any text as one token of a subject: as it is if it is plain, otherwise in base64 after "=".
func token(text string) string {
	if plain(text) {
		return text
	}
	return "=" + base64.RawURLEncoding.EncodeToString([]byte(text))
}

// said is the token after that of the channel in what is repeated of publications. No session has it.
const said = "~"

// ofChannel is the token of the channel in a subject below live, and what follows it: said, or the token of a session.
func (n names) ofChannel(subject string) (channel, rest string) {
	if !strings.HasPrefix(subject, n.live) {
		return "", ""
	}
	channel, rest, _ = strings.Cut(subject[len(n.live):], ".")
	return channel, rest
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}
