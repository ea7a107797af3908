// Package auth knows who a client is: tokens (JWT, RFC 7519), the keys that they are signed with, what their claims allow,
// and which of them were revoked. It knows no channel, no session and no server.
//
//	v, err := auth.New(auth.Options{
//		Keys:     []auth.Key{{URL: "https://login.example.com/.well-known/jwks.json"}},
//		Issuer:   "https://login.example.com/",
//		Audience: "realtime",
//	})
//	if err != nil {
//		return err
//	}
//	defer v.Close()
//
//	token, where, err := auth.FromRequest(r, auth.Sources{Cookie: "session"})
//	claims, err := v.Verify(r.Context(), token)
//	if errors.Is(err, auth.ErrExpired) { … }
//	if claims.May(auth.Publish, "chat:lobby") { … }
//
// # What it promises
//
// A token is taken only if a key that was configured has signed it with the one algorithm that the key is for: HS256 for a
// secret, RS256 for RSA, ES256 for P-256, EdDSA for Ed25519. Nothing in a token chooses a key by anything but its id, and
// nothing in a token is ever fetched or opened.
//
// No error and no log line holds the text of a token, a part of it, or a secret. The sentences of [*Error] are fit to be shown to
// the client that sent the token; they may quote, shortened and escaped, its key id, issuer, audience, patterns and rights.
//
// Everything has a bound: the token, the depth of its claims, the keys of a set, the answer of a key server and the time it may
// take, how often an unknown key id asks it, how long keys outlive it, and the list of revocations.
//
// A [Verifier] may be used from any goroutine. [Verifier.Verify] computes and does not wait, with one exception: for a key
// that is not known yet it waits for key servers and files to be read again, until its context ends.
package auth
