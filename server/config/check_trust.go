// What makes no sense in keys, hooks and the API.

package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/ringdown/ringdown/internal/pattern"
)

// minSecret is the shortest secret, in bytes: below that it can be guessed.
const minSecret = 32

func (c *checker) auth() {
	a := &c.Auth
	for i := range a.Keys {
		c.key(fmt.Sprintf("auth.keys[%d]", i), &a.Keys[i])
	}
	if !a.Anonymous && len(a.Keys) == 0 && c.Backend.Connect == "" {
		c.say("auth.anonymous", "is false, and no token can be verified, so nobody could connect; set auth.keys or backend.connect, or let it be true")
	}
	if a.Cookie != "" && !token(a.Cookie) {
		c.say("auth.cookie", "is %q, which no cookie is called; use letters, digits, - and _", a.Cookie)
	}
	if a.Query != "" && !token(a.Query) {
		c.say("auth.query", "is %q; use letters, digits, - and _", a.Query)
	}
}

func (c *checker) key(at string, k *AuthKey) {
	given := 0
	for _, s := range []string{string(k.Secret), k.SecretFile, k.File, k.URL} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		c.say(at, "has %d of secret, secret_file, file and url; give it exactly one", given)
	}
	c.long(at+".secret", k.Secret)
	if k.URL != "" && !safeURL(k.URL) {
		c.say(at+".url", "is %q, and keys would come over a line on which they can be replaced; "+
			"write it as https://login.example.com/.well-known/jwks.json", withoutSecrets(k.URL))
	}
}

// long refuses a secret that can be guessed.
func (c *checker) long(key string, s Secret) {
	if s != "" && len(s) < minSecret {
		c.say(key, "is %d bytes long, and can be guessed; make one of %d bytes or more, with `openssl rand -base64 48`", len(s), minSecret)
	}
}

func (c *checker) backend() {
	b := &c.Backend
	asked := ""
	for _, hook := range []struct{ name, url string }{
		{"connect", b.Connect}, {"subscribe", b.Subscribe}, {"publish", b.Publish}, {"call", b.Call}, {"disconnect", b.Disconnect}, {"events.url", b.Events.URL},
	} {
		if hook.url == "" {
			continue
		}
		asked = "backend." + hook.name
		if !webURL(hook.url) {
			c.say(asked, "is %q; write it as https://app.example.com/ringdown", withoutSecrets(hook.url))
		} else if u, _ := url.Parse(hook.url); u.User != nil || u.Fragment != "" {
			c.say(asked, "is %q with a user, a password or a fragment (#); leave them out: requests are signed", withoutSecrets(hook.url))
		}
	}
	switch {
	case b.Secret != "" && b.SecretFile != "":
		c.say("backend.secret_file", "is given, and so is backend.secret; leave out one of the two")
	case asked != "" && b.Secret == "" && b.SecretFile == "":
		c.say("backend.secret_file", "is missing, and %s could not tell whether it is this node that asks; name a file with a secret of %d bytes or more", asked, minSecret)
	}
	c.long("backend.secret", b.Secret)
	if b.Events.Dir != "" && b.Events.URL == "" {
		c.say("backend.events.dir", "is given, and no events are sent; set backend.events.url, or leave it out")
	}
}

func (c *checker) api() {
	names := make(map[string]int)
	for i, k := range c.API.Keys {
		at := fmt.Sprintf("api.keys[%d]", i)
		if (k.Secret == "") == (k.SecretFile == "") {
			c.say(at, "has both secret and secret_file, or neither; give it exactly one")
		}
		c.long(at+".secret", k.Secret)
		for j, channel := range k.Channels {
			if err := pattern.Check(channel); err != nil {
				c.say(fmt.Sprintf("%s.channels[%d]", at, j), `is %q, which matches nothing: %v; write it as "chat:*" or "news"`, channel, err)
			}
		}
		if first, ok := names[k.Name]; ok && k.Name != "" {
			c.say(at+".name", "is %q as in api.keys[%d]; give each its own, so that logs tell them apart", k.Name, first)
		} else {
			names[k.Name] = i
		}
	}
}

// minConsoleToken is the shortest token of the console, in bytes: it is typed now and then, and guessing is slowed down.
const minConsoleToken = 16

func (c *checker) console() {
	o := &c.Console
	if o.Token != "" && o.TokenFile != "" {
		c.say("console.token_file", "is given, and so is console.token; leave out one of the two")
	}
	if o.Token != "" && len(o.Token) < minConsoleToken {
		c.say("console.token", "is %d bytes long, and can be guessed; make one of %d bytes or more, with `openssl rand -hex 16`", len(o.Token), minConsoleToken)
	}
}

// token tells whether text can be the name of a cookie or a parameter without being quoted.
func token(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

// safeURL tells whether nobody between can change what comes from there.
func safeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// withoutSecrets is a URL without password and query.
func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return hidden
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}).String()
}
