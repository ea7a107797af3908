// Command backend is the business logic of a chat, behind Ringdown's hooks: who may enter which room, what may not be said, and
// a call that answers. Ringdown asks it over HTTP; docs/hooks.md has every request and answer.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/backend"
)

// chat is what this service knows. A real one has a database.
type chat struct {
	secrets  []backend.Secret
	sessions map[string]string   // a cookie's value → whose login that is
	members  map[string][]string // a room that is not open to everybody → who may enter
	bad      *regexp.Regexp      // words that are not said here

	mu   sync.Mutex
	said map[string]int // how many messages each user has sent
}

// answer is what a hook is answered: a JSON object.
type answer map[string]any

func deny(code, reason string) answer {
	return answer{"allow": false, "code": code, "reason": reason}
}

// ServeHTTP answers one hook.
func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := backend.Verify(r, c.secrets, 0)
	if err != nil { // somebody else, or another secret
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var asked backend.Request
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	json.NewEncoder(w).Encode(c.decide(&asked))
}

func (c *chat) decide(r *backend.Request) answer {
	switch r.Hook {
	case backend.Connect:
		return c.connect(r)
	case backend.Subscribe:
		return c.enter(r)
	case backend.Publish:
		return c.say(r)
	case backend.Call:
		return c.call(r)
	}
	log.Printf("%s: %s %s", r.Hook, r.User, r.Reason) // disconnect: nobody waits for what is answered
	return answer{}
}

// connect knows a client by the cookie of its login, and gives it the news without its asking.
func (c *chat) connect(r *backend.Request) answer {
	user, ok := c.sessions[r.Cookies["chat_session"]]
	if !ok {
		return deny("unauthorized", "log in first")
	}
	return answer{"allow": true, "user": user, "info": answer{"name": strings.ToUpper(user[:1]) + user[1:]},
		"channels": []string{"news"}, "expires_in": 8 * time.Hour.Seconds()}
}

// enter lets everybody into open rooms, and members into the others.
func (c *chat) enter(r *backend.Request) answer {
	if members, closed := c.members[r.Channel]; !closed || slices.Contains(members, r.User) {
		return answer{"allow": true}
	}
	return deny("members_only", "the room "+r.Channel+" is for its members; ask one of them to add you")
}

// say lets those speak who may enter, and rewrites what is not said here.
func (c *chat) say(r *backend.Request) answer {
	text, err := r.Payload()
	if err != nil || text.Kind != backend.Text {
		return deny("text_only", "this chat is for text")
	}
	if entered := c.enter(r); entered["allow"] != true {
		return entered
	}
	c.mu.Lock()
	c.said[r.User]++
	c.mu.Unlock()
	return answer{"allow": true, "data": c.bad.ReplaceAllString(string(text.Bytes), "✿✿✿")}
}

// call answers "said": how many messages the user has sent.
func (c *chat) call(r *backend.Request) answer {
	if r.Method != "said" {
		return answer{"error": answer{"code": "unknown_method", "reason": "this chat answers the call said"}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return answer{"result": c.said[r.User]}
}

// newChat is a chat with two people and a room for one of them.
func newChat(secret backend.Secret) *chat {
	return &chat{
		secrets:  []backend.Secret{secret},
		sessions: map[string]string{"a-cookie-of-ann": "ann", "a-cookie-of-bob": "bob"},
		members:  map[string][]string{"room:board": {"ann"}},
		bad:      regexp.MustCompile(`(?i)\b(darn|heck)\b`),
		said:     make(map[string]int),
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9100", "`address` to listen on")
	flag.Parse()
	secret := backend.Secret(os.Getenv("HOOK_SECRET"))
	if len(secret) < backend.MinSecret {
		log.Fatalf("backend: HOOK_SECRET has %d bytes; set it to at least %d, the same that Ringdown has", len(secret), backend.MinSecret)
	}
	server := &http.Server{Addr: *addr, Handler: newChat(secret), ReadTimeout: 10 * time.Second}
	log.Printf("hooks on http://%s", *addr)
	log.Fatal(server.ListenAndServe())
}
