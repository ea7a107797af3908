package nats

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]Server{
		"nats://localhost":                       {Addresses: []string{"localhost:4222"}},
		"nats://localhost/":                      {Addresses: []string{"localhost:4222"}},
		"nats://a,b:4223,[::1],[::2]:7":          {Addresses: []string{"a:4222", "b:4223", "[::1]:4222", "[::2]:7"}},
		"nats://ann:p%40ss%2F,w@a,b":             {Addresses: []string{"a:4222", "b:4222"}, User: "ann", Password: "p@ss/,w"},
		"nats://ann:@a":                          {Addresses: []string{"a:4222"}, User: "ann"},
		"nats://s3cr%2Ft@a":                      {Addresses: []string{"a:4222"}, Token: "s3cr/t"},
		"tls://a":                                {Addresses: []string{"a:4222"}, Secure: true},
		"tls://a?creds=/x/user.creds":            {Addresses: []string{"a:4222"}, Secure: true, CredentialsFile: "/x/user.creds"},
		"tls://a?nkey=%2Fx&insecure=true":        {Addresses: []string{"a:4222"}, Secure: true, NKeyFile: "/x", InsecureSkipVerify: true},
		"nats://u:p@a?insecure=false&creds=a%26": {Addresses: []string{"a:4222"}, User: "u", Password: "p", CredentialsFile: "a&"},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "no scheme",
		"localhost:4222":              "no scheme",
		"http://zzsecret@h":           "no scheme \"http\"",
		"nats://":                     "host",
		"nats://a,,b":                 "host",
		"nats://a:b":                  "port",
		"nats://a:70000":              "port",
		"nats://:4222":                "no name",
		"nats://h/x":                  "after the hosts",
		"nats://h?x=zzsecret":         "no setting",
		"nats://h?insecure=perhaps":   "true or false",
		"nats://h?creds=%zzsecret":    "query",
		"nats://ann:%zzsecret@h":      "escape",
		"nats://zzsecret:zzsecret@h:": "port",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		} else if strings.Contains(err.Error(), "zzsecret") {
			t.Errorf("%s: the error tells a secret: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("nats://u:p@a,[::1]:1/?creds=x&nkey=y&insecure=true")
	f.Add("tls://token@host")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if len(s.Addresses) == 0 || s.Token != "" && s.Password != "" {
			t.Errorf("%q is read as %+v", text, s)
		}
		for _, address := range s.Addresses {
			if again, err := complete(address); err != nil || again != address {
				t.Errorf("%q has the address %q, which is read as %q, %v", text, address, again, err)
			}
		}
	})
}

func TestOptionsThatAreRefused(t *testing.T) {
	for i, o := range []Options{
		{},
		{Prefix: "a.b"},
		{Prefix: "a*"},
		{Prefix: strings.Repeat("a", maxPrefix+1)},
		{Node: "a.b"},
		{Node: strings.Repeat("a", 33)},
		{Replicas: 6},
		{Replicas: -1},
		{MaxCount: -1},
		{MaxAge: time.Minute},
		{Expiry: time.Millisecond},
		{Timeout: -1},
		{PublishWait: -1},
		{MaxPause: -1},
		{URL: "nats://h?nkey=/nowhere/at/all"},
	} {
		if i > 0 && o.URL == "" {
			o.URL = "nats://h"
		}
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "nats: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestNamesOfSubjectsAreTold(t *testing.T) {
	n := newNames("rd")
	for got, want := range map[string]string{
		n.publications("a"):     "rd.c.a",
		n.publications("a.b"):   "rd.c.=YS5i",
		n.publications("=YS5i"): "rd.c.=PVlTNWk",
		n.member("a", "s>1"):    "rd.m.a.=cz4x",
		n.key("a", "k k"):       "rd.k.a.=ayBr",
		n.liveOf("*"):           "rd.live.=Kg.*",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
