package main

import "testing"

func TestPatternsMatchNames(t *testing.T) {
	for _, test := range []struct {
		patterns, name string
		want           bool
	}{
		{"*", "gws", true},
		{"", "gws", false},
		{"gorilla,gobwas*", "gobwas-raw", true},
		{"gorilla, gws", "gws", true},
		{"gorilla", "gorilla-tuned", false},
		{"echo-*-100", "echo-32-5000", false},
	} {
		if got, err := match(test.patterns, test.name); got != test.want || err != nil {
			t.Errorf("%q matches %q: %v, %v, want %v", test.patterns, test.name, got, err, test.want)
		}
	}
	if _, err := match("[", "x"); err == nil {
		t.Error("a malformed pattern was accepted")
	}
}
