package handshake

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseExtensionsReads(t *testing.T) {
	flag := func(name string) Param { return Param{Name: name} }
	value := func(name, value string) Param { return Param{name, value, true} }
	for _, tc := range []struct {
		name  string
		lines []string
		want  []Extension
	}{
		{"nothing when absent", nil, nil},
		{"a bare name", []string{"permessage-deflate"}, []Extension{{Name: "permessage-deflate"}}},
		{"parameters", []string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10"},
			[]Extension{{"permessage-deflate", []Param{flag("client_max_window_bits"), value("server_max_window_bits", "10")}}}},
		{"several offers in order", []string{"a;x=1, a, b"},
			[]Extension{{"a", []Param{value("x", "1")}}, {Name: "a"}, {Name: "b"}}},
		{"several lines as one list (§9.1)", []string{"a;x", "b, c;y=2"},
			[]Extension{{"a", []Param{flag("x")}}, {Name: "b"}, {"c", []Param{value("y", "2")}}}},
		{"quoted values", []string{`a; x="10"`}, []Extension{{"a", []Param{value("x", "10")}}}},
		{"escapes in quoted values", []string{`a; x="\1\0"`}, []Extension{{"a", []Param{value("x", "10")}}}},
		{"white space around every separator", []string{"\t a ;\tx = 1 ; y =\t\"2\" , b "},
			[]Extension{{"a", []Param{value("x", "1"), value("y", "2")}}, {Name: "b"}}},
		{"empty list elements as nothing (RFC 9110 §5.6.1.2)", []string{",, a,\t,b,,", ""},
			[]Extension{{Name: "a"}, {Name: "b"}}},
		{"repeated parameters as they are", []string{"a;x=1;x=2;x"},
			[]Extension{{"a", []Param{value("x", "1"), value("x", "2"), flag("x")}}}},
		{"the most that is allowed", []string{strings.Repeat("a"+strings.Repeat(";x=1", 16)+",", 8)},
			slices.Repeat([]Extension{{"a", slices.Repeat([]Param{value("x", "1")}, 16)}}, 8)},
	} {
		got, err := ParseExtensions(http.Header{fieldExtensions: tc.lines})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestParseExtensionsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  string // in the error
	}{
		{"an empty field", []string{""}, "is empty"},
		{"a field of empty elements", []string{" , ,", ","}, "is empty"},
		{"a parameter without an extension", []string{";x"}, `line 1, byte 1: ";" where an extension name`},
		{"an empty parameter", []string{"a;"}, "line 1, byte 3: the end of the field where a parameter name"},
		{"an empty parameter before another", []string{"a;;x"}, `byte 3: ";" where a parameter name`},
		{"a value without a name", []string{"a;=1"}, `byte 3: "=" where a parameter name`},
		{"a missing value", []string{"a;x="}, "byte 5: the end of the field where a parameter value"},
		{"a missing value before another element", []string{"a;x=,b"}, `byte 5: "," where a parameter value`},
		{"a value on an extension's name", []string{"a=1"}, `byte 2: "=" where "," or ";"`},
		{"two values", []string{"a;x=1=2"}, `byte 6: "=" where "," or ";"`},
		{"a separator inside a token", []string{"a/b"}, `byte 2: "/" where`},
		{"a missing comma", []string{"a b"}, `byte 3: "b" where "," or ";"`},
		{"a quoted name", []string{`"a"`}, `byte 1: "\"" where an extension name`},
		{"an empty quoted value", []string{`a;x=""`}, "empty parameter value"},
		{"a quoted value that is no token", []string{`a;x="1 0"`}, `byte 7: " " inside a quoted value`},
		{"a comma inside quotes", []string{`a;x="1,b"`}, `byte 7: "," inside a quoted value`},
		{"an escaped quote", []string{`a;x="\""`}, `byte 7: "\"" inside a quoted value`},
		{"an open quote", []string{`a;x="10`}, "ends inside a quoted value"},
		{"an open escape", []string{`a;x="10\`}, "ends inside a quoted value"},
		{"a quote that would close on the next line", []string{`a;x="10`, `"`}, "line 1"},
		{"text behind a quoted value", []string{`a;x="10"0`}, `byte 9: "0" where "," or ";"`},
		{"a control character", []string{"a\x00"}, `"\x00" where`},
		{"bytes outside ASCII", []string{"\xc3\xa4"}, `"\xc3" where`},
		{"a fault on the second line", []string{"a", "b;"}, "line 2, byte 3"},
		{"nine extensions", []string{"a,b,c,d", "e,f,g,h", "i"}, "line 3, byte 1: more than 8 extensions"},
		{"seventeen parameters", []string{"a" + strings.Repeat(";x", 17)}, `more than 16 parameters of "a"`},
		{"more than 8 KiB", []string{strings.Repeat("a", 5000), strings.Repeat("a", 5000)}, "10000 bytes long; the limit is 8192"},
	} {
		got, err := ParseExtensions(http.Header{fieldExtensions: tc.lines})
		if err == nil {
			t.Errorf("%s: accepted as %+v", tc.name, got)
		} else if !strings.Contains(err.Error(), tc.want) || got != nil {
			t.Errorf("%s: got %+v, %q, want an error with %q", tc.name, got, err, tc.want)
		}
	}
}

// Inputs that made parsers with backtracking or quadratic copying explode. A hundred of each take well under the bound.
func TestParseExtensionsTakesHostileInputInItsStride(t *testing.T) {
	start := time.Now()
	for _, unit := range []string{",", " ", "\t,", ";", "a;", `a;b="\c`, `\"`, `"`, "a=", "b="} {
		h := http.Header{fieldExtensions: {"a;b=\"" + strings.Repeat(unit, maxListBytes/len(unit)-5)}}
		h.Add(fieldExtensions, "")
		g := http.Header{fieldExtensions: {strings.Repeat(unit, maxListBytes/len(unit))}}
		for range 100 {
			_, _ = ParseExtensions(h)
			_, _ = ParseExtensions(g)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("2000 fields of 8 KiB took %v", took)
	}
}

func FuzzExtensions(f *testing.F) {
	for _, seed := range []string{
		"", "permessage-deflate", "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
		`a; x="1\0", b`, "a;x=1,,\n,b;y", `a;x="`, `a;x="\`, "a;;", ",", "a=b", "a b", "foo;bar=\"a,b\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		list, err := ParseExtensions(http.Header{fieldExtensions: strings.Split(field, "\n")})
		if err != nil {
			if list != nil || len(err.Error()) > 600 {
				t.Fatalf("list %+v beside the error %q", list, err)
			}
			return
		}
		if len(list) == 0 || len(list) > maxExtensions {
			t.Fatalf("%d extensions", len(list))
		}
		for _, e := range list {
			if !isToken(e.Name) || len(e.Params) > maxExtensionParams {
				t.Fatalf("accepted %+v", e)
			}
			for _, p := range e.Params {
				if !isToken(p.Name) || p.HasValue != (p.Value != "") || p.HasValue && !isToken(p.Value) {
					t.Fatalf("accepted the parameter %+v", p)
				}
			}
		}
		text := FormatExtensions(list)
		if len(text) > maxListBytes {
			return // rendered with spaces that the client had left out
		}
		again, err := ParseExtensions(http.Header{fieldExtensions: {text}})
		if err != nil || !reflect.DeepEqual(list, again) {
			t.Fatalf("%q reads as %+v, renders as %q and then reads as %+v, %v", field, list, text, again, err)
		}
	})
}

func ExampleFormatExtensions() {
	fmt.Println(FormatExtensions([]Extension{
		{Name: "permessage-deflate", Params: []Param{
			{Name: "server_no_context_takeover"},
			{Name: "client_max_window_bits", Value: "12", HasValue: true},
		}},
		{Name: "x-other"},
	}))
	// Output: permessage-deflate; server_no_context_takeover; client_max_window_bits=12, x-other
}
