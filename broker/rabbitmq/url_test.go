package rabbitmq

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string][]Server{
		"amqp://localhost":               {{Address: "localhost:5672", User: "guest", Password: "guest", VHost: "/"}},
		"amqp://ann:p%40ss%2F@h:1/a%2Fb": {{Address: "h:1", User: "ann", Password: "p@ss/", VHost: "a/b"}},
		"amqps://u:p@[::1]/v":            {{Address: "[::1]:5671", Secure: true, User: "u", Password: "p", VHost: "v"}},
		"amqp://a,amqps://b?insecure=true": {{Address: "a:5672", User: "guest", Password: "guest", VHost: "/"},
			{Address: "b:5671", Secure: true, User: "guest", Password: "guest", VHost: "/", InsecureSkipVerify: true}},
		" amqp://a/  amqp://b/%2F": {{Address: "a:5672", User: "guest", Password: "guest", VHost: "/"}, {Address: "b:5672", User: "guest", Password: "guest", VHost: "/"}},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no address",
		"localhost:5672":            "no scheme",
		"redis://secret@h":          "no scheme",
		"amqp://":                   "no host",
		"amqp://u:secret@h:70000":   "no port",
		"amqp://u:secret@h:x":       "not a URL",
		"amqp://u:secret%zz@h":      "not a URL",
		"amqp://u:secret@h/a/b":     "slash",
		"amqp://u:secret@h/a?x=1":   "parameter",
		"amqp://h?insecure=true":    "parameter",
		"amqps://h?insecure=secret": "neither",
		"amqp://u:secret@h/#x":      "fragment",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		} else if strings.Contains(err.Error(), ":secret") {
			t.Errorf("the error tells a password: %v", err)
		}
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for _, o := range []Options{{}, {URL: "x"}, {Prefix: "a b"}, {Node: "a.b"}, {Node: strings.Repeat("x", 40)}, {Expiry: 1}, {Timeout: -1}, {Idle: 48 * time.Hour},
		{PublishWait: time.Hour}, {LogBytes: 1}} {
		if o.URL == "" && !reflect.DeepEqual(o, Options{}) {
			o.URL = "amqp://localhost"
		}
		if _, err := New(o); err == nil {
			t.Errorf("taken: %s", fmt.Sprintf("%+v", o))
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("amqp://u:p@h:1/v,amqps://b?insecure=true")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err == nil && len(all) == 0 {
			t.Error("neither an address nor an error")
		}
	})
}
