package native_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
)

// A conversation is a script, one thing a line:
//
//	ann> {"type":…}         ann says it (a name that is new connects first, as that user; > alone is an anonymous client)
//	ann< {"type":…}         ann hears it, next
//	ann closed 1008         the server ends ann's connection with this code
//	* publish CHANNEL JSON  the server publishes
//	* end ann CODE WORDS    the server ends ann's session with an error
//	* force ann CHANNEL     the server subscribes ann
//	* expel ann CHANNEL WORDS
//	* lose N                the next publications are lost on their way from the broker
//	* shutdown
//	# a remark
//
// The welcome goes unheard unless the first line of a client is a < line. Epochs, sessions, times and retry_after differ from run to run: the script's own
// stand for whatever the server says in the first place where they stand, and must stand for the same ever after.
type conversation struct {
	t       *testing.T
	node    *node
	callers map[string]*caller
	actual  map[string]string // by what the script says
	script  map[string]string // by what the server says
}

func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			converse(t, string(text), 1, false)
			converse(t, string(text), 1, true)
		})
	}
}

// TestTheProtocolPageIsTrue replays the conversations of docs/protocol.md.
func TestTheProtocolPageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```conversation\n(.*?)```").FindAllSubmatchIndex(page, -1)
	if len(blocks) < 8 {
		t.Fatalf("only %d conversations in docs/protocol.md", len(blocks))
	}
	for _, at := range blocks {
		first := bytes.Count(page[:at[2]], []byte("\n")) + 1
		t.Run("line "+strconv.Itoa(first), func(t *testing.T) { converse(t, string(page[at[2]:at[3]]), first, false) })
	}
}

// converse plays a script whose first line is a file's line number first. With remote, the broker may keep those who ask waiting, so
// nothing is asked on the event loop.
func converse(t *testing.T, script string, first int, remote bool) {
	c := &conversation{t: t, node: startWith(t, native.Options{}, hub.Options{Broker: remoteBroker(remote)}), callers: make(map[string]*caller),
		actual: make(map[string]string), script: make(map[string]string)}
	for i, line := range strings.Split(script, "\n") {
		if err := c.play(strings.TrimSpace(line)); err != nil {
			t.Fatalf("line %d: %s\n%v", first+i, line, err)
		}
	}
}

var dialogue = regexp.MustCompile(`^(\w*)(>|<| closed) (.*)$`)

func (c *conversation) play(line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	if order, ok := strings.CutPrefix(line, "* "); ok {
		return c.order(order)
	}
	m := dialogue.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("not understood")
	}
	who := c.caller(m[1], m[2] == "<")
	switch m[2] {
	case ">":
		who.say(c.replace(m[3], c.actual))
		return nil
	case "<":
		return c.compare(m[3], who.hear())
	}
	if err := who.ended(); !strings.Contains(err.Error(), m[3]) {
		return fmt.Errorf("ended with %v", err)
	}
	return nil
}

func (c *conversation) caller(name string, hearsWelcome bool) *caller {
	c.t.Helper()
	who := c.callers[name]
	if who == nil {
		who = c.node.dial(name)
		c.callers[name] = who
		if !hearsWelcome {
			who.expect("welcome")
		}
	}
	return who
}

func (c *conversation) order(order string) error {
	words := strings.SplitN(order, " ", 4)
	ctx := c.t.Context()
	switch words[0] {
	case "publish":
		kind, payload := hub.JSON, []byte(strings.Join(words[2:], " "))
		_, err := c.node.hub.Publish(ctx, &hub.Publication{Channel: words[1], Kind: kind, Payload: payload}, hub.PublishOptions{})
		return err
	case "end":
		c.session(words[1]).End(hub.Errorf(hub.Code(words[2]), "%s", words[3]))
		return nil
	case "force":
		return c.session(words[1]).Subscribe(ctx, words[2], hub.SubscribeOptions{Forced: true})
	case "expel":
		return c.session(words[1]).Expel(words[2], words[3])
	case "lose":
		n, err := strconv.Atoi(words[1])
		c.node.lossy.lose.Store(int64(n))
		return err
	case "shutdown":
		go c.node.gateway.Shutdown(ctx)
		return nil
	}
	return fmt.Errorf("no such order")
}

func (c *conversation) session(user string) *hub.Session {
	c.caller(user, false)
	return c.node.hub.SessionsOf(user)[0]
}

var (
	epoch   = regexp.MustCompile(`\b[a-z0-9]{8}-`)
	session = regexp.MustCompile(`"session":"([a-z0-9]{20})"`)
	moment  = regexp.MustCompile(`"time":"([^"]*)"`)
	retry   = regexp.MustCompile(`"retry_after":[0-9.]+`)
)

// compare holds what was heard against what the script says: the same members in the same order.
func (c *conversation) compare(want string, got []byte) error {
	text := string(got)
	c.learn(epoch, want, text)
	c.learn(session, want, text)
	want, text = plain(want), plain(c.replace(text, c.script))
	if want != text {
		return fmt.Errorf("heard %s\n%s", text, cmp.Diff(strings.Split(want, ","), strings.Split(text, ",")))
	}
	return nil
}

func plain(text string) string {
	for _, m := range moment.FindAllStringSubmatch(text, -1) {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", m[1]); err == nil {
			text = strings.Replace(text, m[1], "some time", 1)
		}
	}
	return retry.ReplaceAllString(text, `"retry_after":0`)
}

// learn pairs what the pattern finds in the script with what it finds in what was heard.
func (c *conversation) learn(pattern *regexp.Regexp, want, got string) {
	a, b := pattern.FindAllStringSubmatch(want, -1), pattern.FindAllStringSubmatch(got, -1)
	for i := range min(len(a), len(b)) {
		ours, theirs := a[i][len(a[i])-1], b[i][len(b[i])-1]
		if c.actual[ours] == "" && c.script[theirs] == "" {
			c.actual[ours], c.script[theirs] = theirs, ours
		}
	}
}

func (c *conversation) replace(text string, by map[string]string) string {
	var pairs []string
	for from, to := range by {
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// TestEveryExampleOfTheProtocolPageIsValid holds each JSON in docs/protocol.md against the schema.
func TestEveryExampleOfTheProtocolPageIsValid(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\w*([<>]) (.*)$|`([<>]?)( ?\\{\"type\".*?\\})`").FindAllSubmatch(page, -1) {
		side, message := string(m[1])+string(m[3]), bytes.TrimSpace(append(slices.Clone(m[2]), m[4]...))
		var v struct{ Type string }
		json.Unmarshal(message, &v)
		found[side+v.Type] = true
		switch asServer, asClient := validate(serverSchema(), message), validate(clientSchema(), message); {
		case side == "<" && asServer != nil:
			t.Errorf("%s\n%v", message, asServer)
		case side == ">" && asClient != nil && !bytes.Contains(page, append([]byte("# refused\n> "), message...)):
			t.Errorf("%s\n%v", message, asClient)
		case side == "" && asServer != nil && asClient != nil:
			t.Errorf("%s\n%v\n%v", message, asServer, asClient)
		}
	}
	for _, kind := range []string{">subscribe", ">unsubscribe", ">publish", ">presence", ">history", ">call", ">ping",
		"<welcome", "<subscribed", "<unsubscribed", "<message", "<gap", "<published", "<presence", "<history", "<result", "<pong", "<error", "<disconnect"} {
		if !found[kind] {
			t.Errorf("docs/protocol.md shows no %s", kind)
		}
	}
}
