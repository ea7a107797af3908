// What the protocol of Socket.IO asks of a server, checked at /socket.io/.

package main

import (
	"strings"
	"testing"
	"time"
)

func TestEventConversations(t *testing.T) {
	greeted := []string{"> 40", `< 40{"sid":"*"}`, `< 42["auth",{}]`}
	custom := []string{"> 40/custom,", `< 40/custom,{"sid":"*"}`, `< 42/custom,["auth",{}]`}
	for name, c := range map[string]struct{ before, lines []string }{
		"the main namespace":                {nil, greeted},
		"with auth":                         {nil, []string{`> 40{"token":"123"}`, `< 40{"sid":"*"}`, `< 42["auth",{"token":"123"}]`}},
		"a custom namespace":                {nil, custom},
		"a custom namespace, no comma":      {nil, []string{"> 40/custom", `< 40/custom,{"sid":"*"}`, `< 42/custom,["auth",{}]`}},
		"a custom namespace with auth":      {nil, []string{`> 40/custom,{"token":"abc"}`, `< 40/custom,{"sid":"*"}`, `< 42/custom,["auth",{"token":"abc"}]`}},
		"a namespace with a query":          {nil, []string{"> 40/custom?k=v,", "< 44/custom*"}},
		"an unknown namespace":              {nil, []string{"> 40/random", `< 44/random,{"message":"Invalid namespace"}`}},
		"an unknown one beside a known one": {greeted, []string{"> 40/random", `< 44/random,{"message":"Invalid namespace"}`, `> 42["message",1]`, `< 42["message-back",1]`}},
		"leaving":                           {greeted, []string{"> 41", "> 40/custom", `< 40/custom,{"sid":"*"}`}},
		"coming back":                       {greeted, append([]string{"> 41"}, greeted...)},
		"leaving one of two": {append(greeted[:3:3], custom...), []string{
			"> 41", `> 42/custom,["message",1]`, `< 42/custom,["message-back",1]`}},
		"an event":                  {greeted, []string{`> 42["message",1,"2",{"3":[true]}]`, `< 42["message-back",1,"2",{"3":[true]}]`}},
		"an event without more":     {greeted, []string{`> 42["message"]`, `< 42["message-back"]`}},
		"an event nobody knows":     {greeted, []string{`> 42["other",1]`, `> 42["message",null]`, `< 42["message-back",null]`}},
		"an event whose name is 12": {greeted, []string{`> 42[12,"x"]`, `> 42["message",1]`, `< 42["message-back",1]`}},
		"an acknowledgement":        {greeted, []string{`> 42456["message-with-ack",1,"2",{"3":[true]}]`, `< 43456[1,"2",{"3":[true]}]`}},
		"an empty acknowledgement":  {greeted, []string{`> 420["message-with-ack"]`, `< 430[]`}},
		"an acknowledgement elsewhere": {custom, []string{
			`> 42/custom,7["message-with-ack","a"]`, `< 43/custom,7["a"]`}},
		"bytes": {greeted, []string{
			`> 452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, ">b \x01\x02\x03", ">b \x04\x05\x06",
			`< 452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "<b \x01\x02\x03", "<b \x04\x05\x06"}},
		"bytes deep within": {greeted, []string{
			`> 451-["message",{"a":[{"_placeholder":true,"num":0}]},"x"]`, ">b \x01",
			`< 451-["message-back",{"a":[{"_placeholder":true,"num":0}]},"x"]`, "<b \x01"}},
		"bytes with an acknowledgement": {greeted, []string{
			`> 452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, ">b \x01\x02\x03", ">b \x04\x05\x06",
			`< 462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "<b \x01\x02\x03", "<b \x04\x05\x06"}},
		"no bytes at all":                 {greeted, []string{`> 450-["message",1]`, `< 42["message-back",1]`}},
		"what only looks like bytes":      {greeted, []string{`> 42["message",{"_placeholder":true,"num":0}]`, `< 42["message-back",{"_placeholder":true,"num":0}]`}},
		"an answer that nobody asked for": {greeted, []string{"> 4399[]", `> 42["message",1]`, `< 42["message-back",1]`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, events := start(t, calm)
			events.session().script(append(c.before[:len(c.before):len(c.before)], c.lines...)...)
		})
	}
}

func TestConversationsThatTheServerEnds(t *testing.T) {
	const greet = "> 40\n< 40{*\n< 42*\n"
	for name, script := range map[string]string{
		"no CONNECT first":                 `> 42["message"]`,
		"an unknown type":                  greet + "> 4abc",
		"type 7":                           greet + "> 47",
		"an empty packet":                  greet + "> 4",
		"JSON that is none":                greet + `> 42{"a"`,
		"JSON that ends early":             greet + `> 42["message"`,
		"more behind the JSON":             greet + `> 42["message"]]`,
		"an object":                        greet + "> 42{}",
		"no event at all":                  greet + "> 42[]",
		"nothing":                          greet + "> 42",
		"an object for a name":             greet + "> 42[{}]",
		"connect":                          greet + `> 42["connect"]`,
		"connect_error":                    greet + `> 42["connect_error"]`,
		"disconnect":                       greet + `> 42["disconnect"]`,
		"disconnecting":                    greet + `> 42["disconnecting"]`,
		"newListener":                      greet + `> 42["newListener"]`,
		"removeListener":                   greet + `> 42["removeListener"]`,
		"an answer that is no array":       greet + "> 430{}",
		"CONNECT twice":                    greet + "> 40",
		"CONNECT with a string":            `> 40"token"`,
		"CONNECT with an array":            `> 40["token"]`,
		"DISCONNECT with more":             greet + "> 41{}",
		"a namespace not joined":           greet + `> 42/custom,["message"]`,
		"bytes that were not announced":    greet + ">b \x01",
		"text where bytes are due":         greet + `> 451-["message",{"_placeholder":true,"num":0}]` + "\n" + `> 42["message"]`,
		"bytes that are not there":         greet + `> 451-["message",{"_placeholder":true,"num":1}]` + "\n>b \x01",
		"a count that is none":             greet + `> 45["message",{"_placeholder":true,"num":0}]`,
		"a count without its dash":         greet + `> 451["message",{"_placeholder":true,"num":0}]` + "\n>b \x01",
		"more bytes than anybody can want": greet + `> 45999999-["message",{"_placeholder":true,"num":0}]`,
		"a count that no number can be":    greet + `> 4599999999999999999999-["message"]`,
		"a packet of the server":           greet + `> 44{"message":"no"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, events := start(t, calm)
			events.session().script(append(strings.Split(script, "\n"), "closed")...)
		})
	}
}

func TestOverPolling(t *testing.T) {
	_, events := start(t, calm)
	events.poll().script(
		[2]string{"POST 40", "ok"}, [2]string{"GET", `40{"sid":"*`},
	)
	p := events.poll()
	p.script([2]string{`POST 451-0["message-with-ack",{"_placeholder":true,"num":0}]` + "\x1ebAQID", "ok"})
	p.gone() // as it was not connected
}

func TestNoCONNECTInTime(t *testing.T) {
	hurried := calm
	hurried.connectTimeout = 100 * time.Millisecond
	_, events := start(t, hurried)
	events.session().script("closed")
}

func TestRecovery(t *testing.T) {
	recovering := calm
	recovering.recovery = true
	_, events := start(t, recovering)
	s := events.session()
	s.script("> 40")
	connected := s.next()
	_, rest, _ := strings.Cut(connected, `"pid":"`)
	pid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("%q has no pid", connected)
	}
	s.script(`< 42["auth",{},"*"]`, `> 42["message",1]`)
	event := s.next()
	offset := event[strings.LastIndexByte(event, ',')+1 : len(event)-1]
	s.CloseNow()

	again := events.session()
	again.script(`> 40{"pid":"`+pid+`","offset":`+offset+"}", "< "+connected)
}

func TestFlagsTakeMilliseconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"300": 300 * time.Millisecond, "300ms": 300 * time.Millisecond, "25s": 25 * time.Second, "0": 0, "-1s": 0, "soon": 0} {
		var d time.Duration
		if err := milliseconds(&d)(text); (err == nil) != (want > 0) || err == nil && d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
}
