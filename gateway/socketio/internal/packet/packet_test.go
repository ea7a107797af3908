// What packets look like on the wire, and what is refused.

package packet

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// decode has a decoder take a text and the attachments that follow it.
func decode(text string, attachments ...string) (Packet, bool, error) {
	var d Decoder
	p, complete, err := d.Text([]byte(text), &Limits{})
	for _, a := range attachments {
		if err == nil {
			p, complete, err = d.Binary([]byte(a), &Limits{})
		}
	}
	return p, complete, err
}

func TestPacketsOnTheWire(t *testing.T) {
	const one, two = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`
	for _, c := range []struct {
		text        string
		attachments []string
		want        Packet
	}{
		{`0`, nil, Packet{Type: Connect, Namespace: "/"}},
		{`0{"token":"x"}`, nil, Packet{Type: Connect, Namespace: "/", Data: []byte(`{"token":"x"}`)}},
		{`0/admin,{"token":"x"}`, nil, Packet{Type: Connect, Namespace: "/admin", Data: []byte(`{"token":"x"}`)}},
		{`0/admin,`, nil, Packet{Type: Connect, Namespace: "/admin"}},
		{`4/admin,{"message":"Not authorized","data":{"code":1}}`, nil, Packet{Type: ConnectError, Namespace: "/admin", Data: []byte(`{"message":"Not authorized","data":{"code":1}}`)}},
		{`2["foo",1]`, nil, Packet{Type: Event, Namespace: "/", Data: []byte(`["foo",1]`)}},
		{`2/admin,["foo"]`, nil, Packet{Type: Event, Namespace: "/admin", Data: []byte(`["foo"]`)}},
		{`212["foo"]`, nil, Packet{Type: Event, Namespace: "/", HasID: true, ID: 12, Data: []byte(`["foo"]`)}},
		{`312["bar"]`, nil, Packet{Type: Ack, Namespace: "/", HasID: true, ID: 12, Data: []byte(`["bar"]`)}},
		{`2/admin,13["foo"]`, nil, Packet{Type: Event, Namespace: "/admin", HasID: true, ID: 13, Data: []byte(`["foo"]`)}},
		{`3/admin,13[]`, nil, Packet{Type: Ack, Namespace: "/admin", HasID: true, ID: 13, Data: []byte(`[]`)}},
		{`52-/admin,7["baz",` + one + `,` + two + `]`, []string{"a", "bc"},
			Packet{Type: BinaryEvent, Namespace: "/admin", HasID: true, ID: 7, Count: 2, Data: []byte(`["baz",` + one + `,` + two + `]`), Attachments: [][]byte{[]byte("a"), []byte("bc")}}},
		{`61-7[` + one + `]`, []string{""}, Packet{Type: BinaryAck, Namespace: "/", HasID: true, ID: 7, Count: 1, Data: []byte(`[` + one + `]`), Attachments: [][]byte{{}}}},
		{`50-["none"]`, nil, Packet{Type: BinaryEvent, Namespace: "/", Data: []byte(`["none"]`)}},
		{`1`, nil, Packet{Type: Disconnect, Namespace: "/"}},
		{`1/admin,`, nil, Packet{Type: Disconnect, Namespace: "/admin"}},
		{`2[1,"a number is a name, too"]`, nil, Packet{Type: Event, Namespace: "/", Data: []byte(`[1,"a number is a name, too"]`)}},
		{`2["plain",` + one + `]`, nil, Packet{Type: Event, Namespace: "/", Data: []byte(`["plain",` + one + `]`)}},
	} {
		got, complete, err := decode(c.text, c.attachments...)
		if err != nil || !complete {
			t.Errorf("%s: complete %v, %v", c.text, complete, err)
			continue
		}
		if written := string(Append(nil, &got)); written != c.text {
			t.Errorf("%s is written as %s", c.text, written)
		}
		got.Elements = nil
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s is %+v instead of %+v", c.text, got, c.want)
		}
	}
}

func TestTheCommaMayBeMissingWhereNothingFollows(t *testing.T) {
	for _, text := range []string{"0/admin", "1/admin"} {
		if p, complete, err := decode(text); err != nil || !complete || p.Namespace != "/admin" {
			t.Errorf("%s: %+v, %v, %v", text, p, complete, err)
		}
	}
}

func TestViolationsAreNamed(t *testing.T) {
	deep := strings.Repeat("[", DefaultMaxDepth) + strings.Repeat("]", DefaultMaxDepth)
	for _, c := range []struct {
		text        string
		attachments []string
		want        Violation
	}{
		{"", nil, Empty},
		{"7", nil, UnknownType},
		{"abc", nil, UnknownType},
		{`5["no count"]`, nil, BadCount},
		{`5-["no count"]`, nil, BadCount},
		{`5x-["no count"]`, nil, BadCount},
		{`51["no hyphen"]`, nil, BadCount},
		{`51`, nil, BadCount},
		{`511-["many"]`, nil, TooManyAttached},
		{`599999999999999999999999-["many"]`, nil, TooManyAttached},
		{"0/" + strings.Repeat("n", DefaultMaxNamespace), nil, LongNamespace},
		{"0/\xff", nil, BadNamespace},
		{`29007199254740992["large"]`, nil, BadID},
		{`2{`, nil, BadJSON},
		{`2["open"`, nil, BadJSON},
		{`2["one"]["two"]`, nil, BadJSON},
		{`2["x",` + deep + `]`, nil, TooDeep},
		{"2[\"\xff\"]", nil, NotUTF8},
		{`2`, nil, NoEventName},
		{`2[]`, nil, NoEventName},
		{`2{}`, nil, NoEventName},
		{`2"foo"`, nil, NoEventName},
		{`2[{}]`, nil, NoEventName},
		{`2[null]`, nil, NoEventName},
		{`2["connect"]`, nil, ReservedName},
		{`2["connect_error"]`, nil, ReservedName},
		{`2["disconnect"]`, nil, ReservedName},
		{`2["disconnecting"]`, nil, ReservedName},
		{`2["newListener"]`, nil, ReservedName},
		{`2["removeListener"]`, nil, ReservedName},
		{`2["\u0063onnect"]`, nil, ReservedName},
		{`3`, nil, BadAck},
		{`312{}`, nil, BadAck},
		{`0[]`, nil, BadConnect},
		{`0"token"`, nil, BadConnect},
		{`0null`, nil, BadConnect},
		{`4`, nil, BadConnectError},
		{`4[]`, nil, BadConnectError},
		{`1{}`, nil, BadDisconnect},
		{`1/admin,[]`, nil, BadDisconnect},
		{`51-["x",{"_placeholder":true,"num":1}]`, nil, BadPlaceholder},
		{`51-["x",{"_placeholder":true,"num":-1}]`, nil, BadPlaceholder},
		{`51-["x",{"_placeholder":true,"num":"0"}]`, nil, BadPlaceholder},
		{`51-["x",{"_placeholder":true}]`, nil, BadPlaceholder},
		{`52-["x",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":1}]]`, nil, BadPlaceholder},
		{`50-["x",{"_placeholder":true,"num":0}]`, nil, BadPlaceholder},
		{`51-["x",{"\u005fplaceholder":true,"num":9}]`, nil, BadPlaceholder},
		{`2["whole"]`, []string{"binary"}, UnexpectedBinary},
		{`50-["whole"]`, []string{"binary"}, UnexpectedBinary},
		{`51-["large"]`, []string{strings.Repeat("x", DefaultMaxAttached+1)}, LargeAttachments},
	} {
		_, _, err := decode(c.text, c.attachments...)
		if e, ok := errors.AsType[*Error](err); !ok || e.Violation != c.want {
			t.Errorf("%.60s: %v instead of: %s", c.text, err, c.want)
		}
	}
}

func TestTextWhileAttachmentsAreDueIsRefused(t *testing.T) {
	var d Decoder
	if _, complete, err := d.Text([]byte(`51-["x",{"_placeholder":true,"num":0}]`), &Limits{}); complete || err != nil {
		t.Fatalf("%v, %v", complete, err)
	}
	_, _, err := d.Text([]byte(`2["y"]`), &Limits{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Violation != TextDuring {
		t.Errorf("%v", err)
	}
}

func TestPlaceholdersAreFilledWhereverTheyAre(t *testing.T) {
	quote := func(b, attachment []byte) []byte { return append(append(append(b, '<'), attachment...), '>') }
	in := `[ {"a":[{"_placeholder":true,"num":1}], "b" : {"num":0,"_placeholder":true,"more":{"_placeholder":true,"num":1}}},"{\"_placeholder\":true,\"num\":0}"]`
	want := `[ {"a":[<two>], "b" : <one>},"{\"_placeholder\":true,\"num\":0}"]`
	if got := string(Fill([]byte(in), [][]byte{[]byte("one"), []byte("two")}, quote)); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}

func TestBytesAreTakenOutOfJSON(t *testing.T) {
	for _, c := range []struct{ in, want, attachments string }{
		{`{"base64":"AQI="}`, `{"_placeholder":true,"num":0}`, "\x01\x02"},
		{`[{"f":{"base64":"AQ=="}},{"base64":"Ag=="}]`, `[{"f":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":1}]`, "\x01|\x02"},
		{`{"base64":"AQI=","more":1}`, `{"base64":"AQI=","more":1}`, ""},
		{`{"base64":"no!"}`, `{"base64":"no!"}`, ""},
		{`{"base64":7}`, `{"base64":7}`, ""},
		{`"base64\""`, `"base64\""`, ""},
	} {
		got, attachments := Extract([]byte(c.in), 0, 10)
		if string(got) != c.want || string(bytes.Join(attachments, []byte("|"))) != c.attachments {
			t.Errorf("%s: %s and %q", c.in, got, attachments)
		}
	}
}

func TestOnlySoManyBytesAreExtracted(t *testing.T) {
	const two = `[{"base64":"AQ=="},{"base64":"Ag=="}]`
	for most, want := range []string{two, `[{"_placeholder":true,"num":0},{"base64":"Ag=="}]`, `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`} {
		if got, attachments := Extract([]byte(two), 0, most); string(got) != want || len(attachments) != most {
			t.Errorf("%d at most: %s and %q", most, got, attachments)
		}
	}
}

func TestErrorsShowNothingOfAConnect(t *testing.T) {
	for _, text := range []string{`0{"token":"secret"`, `0"secret"`, `0/admin,["secret"]`, "0/" + strings.Repeat("secret", 100), "0{\"secret\":\"\xff\"}"} {
		if _, _, err := decode(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	var d Decoder
	d.Text([]byte(`51-["x"]`), &Limits{})
	if _, _, err := d.Text([]byte(`0{"token":"secret"}`), &Limits{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("while attachments are due: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`0/admin,{"token":"x"}`, `212["foo",{"a":[1,2]}]`, `52-/admin,7["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
		`61-7[{"_placeholder":true,"num":0}]`, `1/admin,`, `2[1]`, `4/x,{"message":"no"}`, `2["\u0063"]`, `51-["x",{"\u005fplaceholder":true,"num":0,"a":{}}]`} {
		f.Add([]byte(seed), []byte("attached"))
	}
	f.Fuzz(func(t *testing.T, text, attachment []byte) {
		first, ok := whole(text, attachment)
		if !ok {
			return
		}
		written := Append(nil, &first)
		second, ok := whole(written, attachment)
		if !ok || !reflect.DeepEqual(first, second) {
			t.Fatalf("%q is %+v, written as %q which is %+v", text, first, written, second)
		}
		Fill(first.Data, first.Attachments, func(b, a []byte) []byte { return append(b, `""`...) })
		if len(first.Data) > 0 {
			Extract(first.Data, 0, 10)
		}
	})
}

// whole decodes a text whose attachments are all the same.
func whole(text, attachment []byte) (p Packet, ok bool) {
	var d Decoder
	p, complete, err := d.Text(text, &Limits{})
	for !complete && err == nil {
		p, complete, err = d.Binary(attachment, &Limits{})
	}
	return p, err == nil
}
