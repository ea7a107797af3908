package state

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// part keeps a text.
type part struct {
	name, text string
	fails      error
}

func (p *part) Name() string { return p.name }

func (p *part) Save(w io.Writer) error {
	io.WriteString(w, p.text)
	return p.fails
}

func (p *part) Load(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err = errors.Join(err, p.fails); err == nil {
		p.text = string(text)
	}
	return err
}

// in is a file in a folder of its own, and what it says to its log.
func in(t *testing.T) (*File, *bytes.Buffer) {
	var log bytes.Buffer
	return &File{Path: filepath.Join(t.TempDir(), "state"), MaxAge: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))}, &log
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func saved(t *testing.T, f *File, parts ...Keeper) {
	t.Helper()
	if err := f.Save(parts...); err != nil {
		t.Fatal(err)
	}
}

func TestEachPartGetsWhatItHasSavedAndOnlyOnce(t *testing.T) {
	f, log := in(t)
	long := strings.Repeat("0123456789", 50_000) // several pieces
	saved(t, f, &part{name: "long", text: long}, &part{name: "empty"}, &part{name: "short", text: "x"})
	if info, err := os.Stat(f.Path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	a, b, c := &part{name: "short"}, &part{name: "empty", text: "old"}, &part{name: "long"}
	f.Load(a, b, c)
	if a.text != "x" || b.text != "" || c.text != long {
		t.Errorf("%q, %q, %d bytes\n%s", a.text, b.text, len(c.text), log)
	}
	if exists(t, f.Path) {
		t.Error("the file is there still")
	}
	again := &part{name: "short"}
	if f.Load(again); again.text != "" || !strings.Contains(log.String(), "no saved state") {
		t.Errorf("loaded again: %q\n%s", again.text, log)
	}
}

func TestAPartThatCannotLoadDoesNotKeepTheOthersFromIt(t *testing.T) {
	f, log := in(t)
	saved(t, f, &part{name: "a", text: "1"}, &part{name: "gone", text: "2"}, &part{name: "c", text: "3"})
	a, c := &part{name: "a", fails: errors.New("not mine")}, &part{name: "c"}
	f.Load(a, c)
	if a.text != "" || c.text != "3" {
		t.Errorf("%q, %q", a.text, c.text)
	}
	for _, want := range []string{"part=a cause=\"not mine\"", "part=gone cause=\"no part of this node"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestAFileThatCannotBeBelievedIsAFreshStartAndNeverFoundAgain(t *testing.T) {
	whole := func(at time.Time) []byte {
		var file bytes.Buffer
		if err := write(&file, at, []Keeper{&part{name: "a", text: "some text"}}); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	now := whole(time.Now())
	files := map[string][]byte{
		"saved 2h0m0s ago":         whole(time.Now().Add(-2 * time.Hour)),
		"from now; set the clock":  whole(time.Now().Add(time.Hour)),
		"does not begin with":      append([]byte("ringdown state 0\n"), now[len(magic):]...),
		"something follows":        append(bytes.Clone(now), 0),
		"ends too early":           now[:len(now)-1],
		"unexpected EOF":           nil,
		"a piece has 4294967295 b": append(bytes.Clone(now[:len(magic)+8+2]), 0xff, 0xff, 0xff, 0xff),
	}
	for i := len(magic) + 8; i < len(now); i++ {
		turned := bytes.Clone(now)
		turned[i] ^= 0x10
		check(t, "cause=", turned)
		check(t, "cause=", now[:i])
	}
	for says, file := range files {
		check(t, says, file)
	}
}

func check(t *testing.T, says string, file []byte) {
	t.Helper()
	f, log := in(t)
	if err := os.WriteFile(f.Path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &part{name: "a"}
	f.Load(a)
	if a.text != "" || !strings.Contains(log.String(), says) || strings.Count(log.String(), "level=ERROR") != 1 {
		t.Errorf("loaded %q, want none and %q in:\n%s", a.text, says, log)
	}
	if exists(t, f.Path) || !exists(t, f.Path+damaged) {
		t.Error("it is not set aside")
	}
}

func TestASaveThatFailsLeavesNoFileAndTheOldOneAsItIs(t *testing.T) {
	f, _ := in(t)
	saved(t, f, &part{name: "a", text: "old"})
	before, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Save(&part{name: "a", text: "new", fails: errors.New("disk full")}); err == nil || !strings.Contains(err.Error(), "a: disk full") {
		t.Error(err)
	}
	if after, _ := os.ReadFile(f.Path); !bytes.Equal(before, after) || exists(t, f.Path+fresh) {
		t.Error("something was written")
	}
	for _, name := range []string{"", strings.Repeat("x", 256)} {
		if err := f.Save(&part{name: name}); err == nil {
			t.Errorf("a section is called %q", name)
		}
	}
}

func TestADirectoryInWhichNothingCanBeSavedIsFoundOutAtTheStart(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "none", "state")}
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), "name another one") {
		t.Error(err)
	}
	f, _ = in(t)
	if err := f.Check(); err != nil || exists(t, f.Path+fresh) {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	var file bytes.Buffer
	if err := write(&file, time.Unix(1, 0), []Keeper{&part{name: "a", text: "text"}, &part{name: "b"}}); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, at, err := open(bytes.NewReader(text))
		var parts []Keeper
		for err == nil {
			var name string
			var section io.Reader
			if name, section, err = r.next(); err != nil || name == "" {
				break
			}
			var all []byte
			all, err = io.ReadAll(section)
			parts = append(parts, &part{name: name, text: string(all)})
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := write(&again, at, parts); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(again.Bytes(), text) {
			return
		}
		if again.Len() > len(text) { // the same pieces may be cut differently, but not be more
			t.Errorf("%q is understood and written as %q", text, again.Bytes())
		}
	})
}
