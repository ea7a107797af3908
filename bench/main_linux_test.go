package main

import (
	"slices"
	"testing"

	"github.com/ringdown/ringdown/bench/rooms"
)

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

func TestAttacksAreNamedAllEachOrByNumber(t *testing.T) {
	for _, test := range []struct {
		text string
		want []int
	}{
		{"all", []int{rooms.NoAttack, rooms.AllKinds}},
		{"3,all", []int{rooms.NoAttack, 3, rooms.AllKinds}},
		{"each", []int{rooms.NoAttack, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"10", nil},
		{"-1", nil},
		{"", nil},
		{"none", nil},
	} {
		if got, err := attacksOf(test.text); !slices.Equal(got, test.want) || (err == nil) != (test.want != nil) {
			t.Errorf("%q: %v, %v, want %v", test.text, got, err, test.want)
		}
	}
}

func TestWordsStandForGroupsOfWholeServers(t *testing.T) {
	for _, test := range []struct {
		points     string
		one, other int
	}{
		{"rooms", len(rooms.Points()) - 2, 0},
		{"cluster", 0, 2},
		{"rooms,cluster", len(rooms.Points()) - 2, 2},
		{"cluster-stream-*", 0, 1},
		{"echo-*", 0, 0},
	} {
		groups := (&settings{points: test.points}).chosenRooms()
		if len(groups) != 2 || len(groups[0]) != test.one || len(groups[1]) != test.other {
			t.Errorf("%q chooses %v", test.points, groups)
		}
	}
}
