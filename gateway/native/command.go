// What a client may ask for: commands, and how they are read from a message.

package native

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// Bounds of what a client may send in one message.
const (
	MaxCommands = 100 // in one batch
	MaxID       = 64  // bytes of an id, as it is written
)

// command is what a client asks for. It holds nothing of the message that it was read from.
type command struct {
	kind           string
	id             string // as the client wrote it: a JSON number or string; "" if there is none
	channel        string
	cursor         string
	presence       bool
	data           []byte // as it was written; nil if there is none
	encoding       string
	event          string
	key            string
	idempotencyKey string
	method         string
	token          string
	limit          int    // negative if there is none
	batch          *batch // what it belongs to, if it is not the first of its message

	err error // why it cannot be obeyed; an *hub.Error
}

// batch is what the further commands of a message have in common.
type batch struct {
	refused error // why no more of them are taken
}

// field is a member of a command that is known to the protocol.
type field struct {
	name string
	sort string // what it must be
	set  func(c *command, value []byte)
}

// The names are in the order of the protocol's page.
var fields = []field{
	{"type", "a string", func(c *command, v []byte) { c.kind = unquote(v) }},
	{"id", "", func(c *command, v []byte) { c.setID(v) }},
	{"channel", "a string", func(c *command, v []byte) { c.channel = unquote(v) }},
	{"cursor", "a string", func(c *command, v []byte) { c.cursor = unquote(v) }},
	{"presence", "a boolean", func(c *command, v []byte) { c.presence = v[0] == 't' }},
	{"data", "", func(c *command, v []byte) { c.data = slices.Clone(v) }},
	{"encoding", "a string", func(c *command, v []byte) { c.encoding = unquote(v) }},
	{"event", "a string", func(c *command, v []byte) { c.event = unquote(v) }},
	{"key", "a string", func(c *command, v []byte) { c.key = unquote(v) }},
	{"idempotency_key", "a string", func(c *command, v []byte) { c.idempotencyKey = unquote(v) }},
	{"method", "a string", func(c *command, v []byte) { c.method = unquote(v) }},
	{"token", "a string", func(c *command, v []byte) { c.token = unquote(v) }},
	{"limit", "a number", func(c *command, v []byte) { c.setLimit(v) }},
}

// parse reads the commands of a message, which is UTF-8: one object, or an array of them. The error is an [*hub.Error] about the message as
// a whole, of which nothing is to be obeyed then; what is wrong with a single command is in its err.
func parse(message []byte) ([]command, error) {
	if !json.Valid(message) {
		return nil, hub.Errorf(hub.BadRequest, "the message is not JSON: %w; send one command as an object, or several in an array",
			complaint(message))
	}
	whole, _ := first(message)
	switch whole[0] {
	case '{':
		return []command{parseOne(whole)}, nil
	case '[':
		return parseBatch(whole)
	}
	return nil, hub.Errorf(hub.BadRequest, "the message is %s; send one command as an object, or several in an array", sort(whole))
}

// complaint is what is wrong with text that is not JSON.
func complaint(text []byte) error {
	var v json.RawMessage
	return json.Unmarshal(text, &v)
}

func parseBatch(array []byte) (commands []command, err error) {
	count := 0
	each(array, func([]byte) bool { count++; return count <= MaxCommands })
	if count == 0 {
		return nil, hub.Errorf(hub.BadRequest, "the batch is empty; put commands into it")
	}
	if count > MaxCommands {
		return nil, hub.Errorf(hub.TooManyCommands, "the batch holds more than %d commands, and none was obeyed; send them in several messages",
			MaxCommands)
	}
	commands = make([]command, 0, count)
	var further *batch
	each(array, func(value []byte) bool {
		c := command{err: hub.Errorf(hub.BadRequest, "the batch holds %s; a command is an object", sort(value))}
		if value[0] == '{' {
			c = parseOne(value)
		}
		c.batch = further
		commands = append(commands, c)
		if further == nil {
			further = new(batch)
		}
		return true
	})
	return commands, nil
}

// parseOne reads a command. It reads to the end in any case, so that a refusal can name the id.
func parseOne(object []byte) command {
	c := command{limit: -1}
	seen := 0 // a bit for each of the fields
	members(object, func(name, value []byte) {
		text := unquote(name)
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == text })
		if at < 0 {
			return // a newer protocol's, or the client's own
		}
		f := &fields[at]
		if seen&(1<<at) != 0 {
			c.refuse("the command has %q twice; say it once", f.name)
			return
		}
		seen |= 1 << at
		if is := sort(value); f.sort != "" && is != f.sort {
			c.refuse("%q is %s; it must be %s", f.name, is, f.sort)
			return
		}
		f.set(&c, value)
	})
	if c.kind == "" {
		c.refuse(`the command has no "type"; there are %s`, strings.Join(kinds, ", "))
	}
	return c
}

// refuse notes the first thing that is wrong.
func (c *command) refuse(format string, values ...any) {
	if c.err == nil {
		c.err = hub.Errorf(hub.BadRequest, format, values...)
	}
}

func (c *command) setID(value []byte) {
	switch is := sort(value); {
	case is == "null":
	case is != "a number" && is != "a string":
		c.refuse(`"id" is %s; it must be a number or a string`, is)
	case len(value) > MaxID:
		c.refuse(`"id" has %d bytes; at most %d are taken`, len(value), MaxID)
	default:
		c.id = string(value)
	}
}

func (c *command) setLimit(value []byte) {
	n, err := strconv.ParseUint(string(value), 10, 31)
	if err != nil {
		c.refuse(`"limit" is %.20s; it must be a whole number, 0 or more`, value)
		return
	}
	c.limit = int(n)
}

// payload is what the data is, and in which form: a string is text, anything else JSON, and with the encoding base64 a
// string stands for bytes.
func (c *command) payload() (hub.Kind, []byte, error) {
	switch c.encoding {
	case "":
	case "base64":
		return c.binary()
	default:
		return 0, nil, hub.Errorf(hub.BadPayload, `the encoding %.40q is not known; use "base64" for bytes, or none`, c.encoding)
	}
	if c.data[0] != '"' {
		return hub.JSON, c.data, nil
	}
	return hub.Text, []byte(unquote(c.data)), nil
}

func (c *command) binary() (hub.Kind, []byte, error) {
	if c.data[0] != '"' {
		return 0, nil, hub.Errorf(hub.BadPayload, `the data is %s; with "encoding":"base64" it must be a string of base64`, sort(c.data))
	}
	payload, err := base64.StdEncoding.DecodeString(unquote(c.data))
	if err != nil {
		return 0, nil, hub.Errorf(hub.BadPayload, "the data is said to be base64 but is not: %w; use the standard alphabet, with padding", err)
	}
	return hub.Binary, payload, nil
}
