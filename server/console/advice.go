// What to do about an ending: one table by the codes of refusals, one by the close codes with which clients go.

package console

import "github.com/ringdown/ringdown/hub"

// byCode is for what the server ended or refused.
var byCode = map[hub.Code]string{
	hub.BadRequest:           "The client sent what its protocol does not know, or a broken frame. Look at its version and at what it sends: the frame inspector shows it, and docs/protocol.md what is understood. Many at once from one network: a proxy changes what passes.",
	hub.UnknownType:          "The client sent a command that this version does not know. Update the client's library, or the node.",
	hub.BadChannel:           "The client named a channel with a name that is empty, longer than 255 bytes or not printable. Correct how it builds the name; in a path write a slash as %2F.",
	hub.BadPayload:           "The client sent a payload that is not what it says: broken JSON, text that is no UTF-8, or broken base64. Send bytes as binary messages.",
	hub.BadCursor:            "The client handed back a cursor that no node made. Have it keep the cursor as the text that it was given, and drop what it stored before.",
	hub.TooLarge:             "The client sent more in one message than is taken. Send less or in parts, or raise limits.message_size, or payload_size of the channel's rule.",
	hub.TooManySubscriptions: "The client wants to be in more channels than it may. Unsubscribe from those that it does not show, or raise limits.subscriptions.",
	hub.TooManyCommands:      "The client puts too many commands into one message. Send them in several.",
	hub.Unauthorized:         "The token is missing, malformed or signed by a key that the node does not trust. `ringdown token inspect` says which; compare its kid and issuer with auth.keys. If it happens to everybody at once, the keys have changed: see whether the node could fetch the new ones.",
	hub.TokenExpired:         "The client came with, or kept on, a token that has run out. Have it renew in time (the client libraries do with a token callback), and compare the clocks of the issuer and the node; auth.leeway forgives small differences.",
	hub.TokenRevoked:         "The token, the user or the login was revoked. That was asked for by the API; the user has to log in again.",
	hub.RateLimited:          "The client sends or connects more than it may. Find out whether it runs in a loop; if it is right, raise the limit that the cause names. Many addresses at once: an attack, or a proxy that is missing in listen.trusted_proxies, so that all its clients count as one.",
	hub.Disconnected:         "An operator, the API or the backend has ended it. The cause is the reason that was given.",
	hub.NotAllowed:           "The rule of the channel, or the token, does not let the client do that. Change the rule's subscribe or publish, or give the token the right.",
	hub.NotFound:             "There is no such page, channel or session. Compare the address that the client uses with docs/getting-started.md; after a restart sessions that polled are gone, and clients make new ones by themselves.",
	hub.NotSubscribed:        "The client asked for something of a channel that it is not in. Subscribe first.",
	hub.AlreadySubscribed:    "The client subscribed twice. Unsubscribe first to begin from another cursor.",
	hub.NoHistory:            "The channel keeps no history. Give its rule a history, if clients are to recover.",
	hub.NoPresence:           "The channel has no presence. Switch it on in its rule.",
	hub.UnknownMethod:        "Nobody answers calls of this method. Correct it, or have the backend answer it (backend.call).",
	hub.CallFailed:           "The backend refused the call; its own log says why.",
	hub.MethodNotAllowed:     "The request has an HTTP method that means nothing there. A proxy that turns POST into GET, by a redirect from http to https, is a usual reason.",
	hub.UnsupportedMedia:     "The Content-Type is none that is taken. Send application/json, text/plain or application/octet-stream.",
	hub.ForeignOrigin:        "A page of an origin that is not listed wants to connect. If it is yours, add it to origins as scheme, host and port; behind a proxy that ends TLS, list the origin or the proxy in listen.trusted_proxies.",
	hub.SlowConsumer:         "The client reads more slowly than is published to it, so its queue was full. A phone that sleeps is a usual reason, and it recovers what it missed when it comes back. If many do: conflate the channel or drop the oldest (rules.slow), publish less, or raise limits.outbox_bytes.",
	hub.Full:                 "The node holds as many sessions as it may. Raise limits.connections and the limit on open files, or add a node.",
	hub.ShuttingDown:         "The node was stopped or drained. Clients come back by themselves, to another node or to the next process.",
	hub.Unavailable:          "The broker, the backend or the client's place to go on was not to be had. See the broker on the first page and the log; clients try again by themselves.",
	hub.Internal:             "Something is wrong with the server. The log has the error with its stack at that time; please report it.",
}

// byClose is for clients that said goodbye with a close code (RFC 6455 §7.4 and the registry of IANA).
var byClose = map[int]string{
	1000: "Nothing: the client has closed the connection because it was done.",
	1001: "Nothing: the page was left or the program ended.",
	1002: "The client found that we broke the protocol, which is most often a proxy that changes frames. Compare over another network or port; try the client with compression off.",
	1003: "The client takes no messages of this type: it expects text where the channel has bytes, or the other way round.",
	1005: "Nothing, most likely: the client closed without giving a reason.",
	1006: "The line broke without a word. Look at the networks and proxies between.",
	1007: "The client found text that is no UTF-8, or JSON that it cannot read. Look at what is published into its channels.",
	1008: "The client's own policy ended it, or a gateway between.",
	1009: "The client takes no messages of this size. Publish less at a time, or raise the limit in the client.",
	1010: "The client wanted an extension that we did not agree on, such as compression. Make it optional there.",
	1011: "Something failed in the client, or in a gateway between. Its own log says what.",
	1012: "A gateway between restarts, if it was not us. Clients come back by themselves.",
	1013: "A gateway between is overloaded, if it was not us. Look at its limits.",
	1014: "A gateway between could not reach the node. Look at its log, and at the node's at the time.",
	1015: "TLS failed between the client and whoever ends it. Look at certificates and at the clock of the client.",
	4400: "The client repeats what it was told: the server or an operator had ended the session. See the reason.",
	4401: "The client repeats what it was told: its token was not good. See unauthorized in docs/errors.md.",
	4402: "The client repeats what it was told: its token had expired. Have it renew in time.",
	4403: "The client repeats what it was told: its token was revoked. The user has to log in again.",
	4429: "The client repeats what it was told: it sent too much. Send less, or raise the limit.",
}

const (
	aboutSilence   = "The client did not answer a ping: it sleeps, has lost its network, or a proxy holds the line open on its own. It comes back by itself and recovers. If many do at once, look at the network; behind proxies that hold pings back raise keep_alive.timeout."
	aboutBreak     = "The line broke without a Close frame: the client lost its network or was killed, or something between cut the line. If sessions end at the same age, a proxy has a time-out: set keep_alive.interval below it (`ringdown doctor` finds it)."
	aboutLeaving   = "Nothing: the client has gone. If many go at once, look at the proxies and networks between."
	aboutOwnCode   = "The client closed with a code of its own program, which knows what it means."
	aboutOtherCode = "The client closed with a code that is not in the registry. Look at what its library means by it."
	aboutUnknown   = "The code is the program's own, or the backend's; it knows what it means."
)

// Advice is what to do about an ending.
func Advice(e hub.Ending) string {
	switch {
	case e.Code != "":
		if advice, known := byCode[e.Code]; known {
			return advice
		}
		return aboutUnknown
	case e.Silent:
		return aboutSilence
	case e.By == hub.ByNetwork:
		return aboutBreak
	case e.Close == 0:
		return aboutLeaving
	}
	if advice, known := byClose[e.Close]; known {
		return advice
	}
	if e.Close >= 3000 && e.Close <= 4999 { // registered by libraries, and private use
		return aboutOwnCode
	}
	return aboutOtherCode
}
