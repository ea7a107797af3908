package redis

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string][]Server{
		"redis://localhost":                   {{Addresses: []string{"localhost:6379"}}},
		"valkey://h:1/2":                      {{Addresses: []string{"h:1"}, DB: 2}},
		"rediss://ann:p%40ss%2F,w@h":          {{Addresses: []string{"h:6379"}, Secure: true, User: "ann", Password: "p@ss/,w"}},
		"redis://:pw@h":                       {{Addresses: []string{"h:6379"}, Password: "pw"}},
		"redis://[::1]:7,[::2]":               {{Addresses: []string{"[::1]:7"}}, {Addresses: []string{"[::2]:6379"}}},
		"redis://u:p@a,b:1/3":                 {{Addresses: []string{"a:6379"}, User: "u", Password: "p", DB: 3}, {Addresses: []string{"b:1"}, User: "u", Password: "p", DB: 3}},
		"redis://a  rediss://b?insecure=true": {{Addresses: []string{"a:6379"}}, {Addresses: []string{"b:6379"}, Secure: true, InsecureSkipVerify: true}},
		"redis+cluster://a,b:1":               {{Kind: Cluster, Addresses: []string{"a:6379", "b:1"}}},
		"valkeys+cluster://a":                 {{Kind: Cluster, Addresses: []string{"a:6379"}, Secure: true}},
		"redis+sentinel://u:p@a,b:1/main":     {{Kind: Sentinel, Addresses: []string{"a:26379", "b:1"}, Master: "main", User: "u", Password: "p"}},
		"redis+sentinel://a/m?db=4&sentinel_user=s&sentinel_password=t": {{Kind: Sentinel, Addresses: []string{"a:26379"}, Master: "m", DB: 4, SentinelUser: "s", SentinelPassword: "t"}},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "no address",
		"localhost:6379":                  "no scheme",
		"http://secret@h":                 "no scheme \"http\"",
		"redis+x://h":                     "no scheme",
		"redis://":                        "host",
		"redis://a,,b":                    "host",
		"redis://a:b":                     "no port",
		"redis://a:70000":                 "no port",
		"redis://h/x":                     "no database",
		"redis://h/1/2":                   "no database",
		"redis+cluster://h/1":             "a cluster",
		"redis+sentinel://h":              "name the master",
		"redis://h?x=secret":              "no setting",
		"redis://h?insecure=secretly":     "true or false",
		"redis://h?x=%zzsecret":           "query",
		"redis://ann:%zzsecret@h":         "escape",
		"redis://a,a":                     "twice",
		"redis://a redis://b:6379,a:6379": "twice",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		} else if strings.Contains(err.Error(), "zzsecret") || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: the error tells a secret: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("redis+sentinel://u:p@a,[::1]:1/main?db=4&sentinel_user=s rediss://b?insecure=true")
	f.Fuzz(func(t *testing.T, text string) {
		servers, err := Parse(text)
		for _, s := range servers {
			if err != nil || len(s.Addresses) == 0 || s.Kind == Sentinel && s.Master == "" {
				t.Errorf("%q is read as %+v, %v", text, s, err)
			}
		}
	})
}

func TestOptionsThatAreRefused(t *testing.T) {
	for i, o := range []Options{
		{},
		{Prefix: "a b"},
		{Prefix: "a{b}"},
		{Prefix: strings.Repeat("a", 65)},
		{Node: "a.b"},
		{Node: strings.Repeat("a", 33)},
		{Expiry: 1},
		{Timeout: -1},
		{Idle: 1 << 60},
	} {
		if i > 0 {
			o.URL = "redis://h"
		}
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "redis: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestChannelsAreDealtOutEvenlyAndStayWhereTheyAre(t *testing.T) {
	const channels = 9000
	seeds := []uint64{hash("a"), hash("b"), hash("c")}
	counts := make([]int, 3)
	for i := range channels {
		name := fmt.Sprint("channel:", i)
		at := rendezvous(seeds, name)
		counts[at]++
		if fewer := rendezvous(seeds[:2], name); at != 2 && fewer != at {
			t.Fatalf("%q moves from %d to %d when a third server goes", name, at, fewer)
		}
	}
	for i, n := range counts {
		if n < channels/3*9/10 || n > channels/3*11/10 {
			t.Errorf("server %d has %d of %d channels", i, n, channels)
		}
	}
}

func TestNamesOfKeysAreTold(t *testing.T) {
	n := newNames("rd", 7, 3)
	for got, want := range map[string]string{
		n.numbering("a"):          "rd:{7}:n:a",
		n.channel("{x}"):          "rd:{7}:c3:{x}",
		n.idempotency("a:b", "c"): "rd:{7}:i:3:a:b:c",
		n.idempotency("a", "b:c"): "rd:{7}:i:1:a:b:c",
		newNames("rd", 0, 0).live: "rd:{0}:c:",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
