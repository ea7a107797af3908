// Loading: the sources, which of them wins, and where each value came from.

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	koanfyaml "github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Prefix begins the names of the environment variables that a node reads.
const Prefix = "RINGDOWN_"

// FileVariable names the configuration file where no flag does.
const FileVariable = Prefix + "CONFIG"

// maxFile is the longest file that is read, in bytes: far more than anybody writes.
const maxFile = 1 << 20

// Sources are where a configuration comes from, the later ones winning over the earlier.
type Sources struct {
	// File is a YAML file. If it is empty, the file that --config among Flags or RINGDOWN_CONFIG in Environ names is read, if any.
	File string
	// Environ is the environment, as from os.Environ; nil is an empty one.
	Environ []string
	// Flags are those of [AddFlags], parsed; nil is none.
	Flags *pflag.FlagSet
}

// Loaded is a configuration, and where each of its values came from.
type Loaded struct {
	Config Config
	// File is what was read, or "".
	File string
	// Warnings are sentences about what is allowed but unwise.
	Warnings []string

	sources map[string]string // by path; what is missing is a default
}

// Source says where the value of a key came from: "default", "ringdown.yaml:12", "RINGDOWN_DEV" or "--dev".
func (l *Loaded) Source(key string) string {
	if source := l.sources[key]; source != "" {
		return source
	}
	return "default"
}

// layer is what one source says.
type layer struct {
	values *koanf.Koanf
	where  func(path string) string
	line   func(path string) int
	text   bool // everything is text, as in the environment
}

// loader gathers the layers, and everything that is wrong with them.
type loader struct {
	layers   []*layer
	problems Errors
}

// Load reads the sources and checks what comes out. The error is an [Errors] with all mistakes of all sources, or tells why the file
// cannot be read.
func Load(s Sources) (*Loaded, error) {
	l := &loader{}
	loaded := &Loaded{Config: Default(), sources: make(map[string]string)}
	var err error
	if loaded.File, err = s.file(); err != nil {
		return nil, err
	}
	if loaded.File != "" {
		if err = l.readFile(loaded.File); err != nil {
			return nil, err
		}
	}
	l.readEnvironment(s.Environ)
	l.readFlags(s.Flags)
	for _, f := range root().values() {
		l.take(f, loaded)
	}
	for _, p := range loaded.Config.problems() {
		l.locate(&p, p.Key)
		l.problems = append(l.problems, p)
	}
	if err := l.problems.orNil(); err != nil {
		return nil, err
	}
	loaded.Warnings = loaded.warnings()
	return loaded, nil
}

// file is the one to read, or "". A variable that is empty is none, as compose files and shells have it; a flag has no excuse.
func (s *Sources) file() (string, error) {
	if s.File != "" {
		return s.File, nil
	}
	if s.Flags != nil {
		if f := s.Flags.Lookup("config"); f != nil && f.Changed {
			if f.Value.String() == "" {
				return "", errors.New("--config is empty, and the node would run on its defaults; name a file, or leave it out")
			}
			return f.Value.String(), nil
		}
	}
	for _, entry := range slices.Backward(s.Environ) {
		if name, ok := strings.CutPrefix(entry, FileVariable+"="); ok {
			return name, nil
		}
	}
	return "", nil
}

// add begins a layer.
func (l *loader) add(where func(string) string, text bool) *layer {
	a := &layer{values: koanf.New("."), where: where, line: func(string) int { return 0 }, text: text}
	l.layers = append(l.layers, a)
	return a
}

// refuse notes a mistake in the newest layer.
func (l *loader) refuse(where string, line int, key, format string, args ...any) {
	l.problems = append(l.problems, Problem{Key: key, Where: where, Text: fmt.Sprintf(format, args...), order: len(l.layers), line: line})
}

func (l *loader) readFile(name string) error {
	content, err := readBounded(name)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	lines := make(map[string]int)
	line := func(path string) int { return nearestLine(lines, path) }
	a := l.add(func(path string) string { return fmt.Sprintf("%s:%d", name, line(path)) }, false)
	a.line = line
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil // nothing but comments
	case err != nil:
		l.refuse(name, 0, "", "%s", yamlError(err))
		return nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.refuse(name, 0, "", "the file has more than one document; leave out what follows the second ---")
		return nil
	}
	l.walk(document.Content[0], root(), "", name, lines)
	if document.Content[0].Kind != yaml.MappingNode || len(l.problems) >= maxProblems {
		return nil // enough is said; or it is empty
	}
	if err := a.values.Load(rawbytes.Provider(content), koanfyaml.Parser()); err != nil {
		l.refuse(name, 0, "", "%s", yamlError(err))
	}
	return nil
}

func readBounded(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return nil, fmt.Errorf("%s is a pipe or a socket, which might never end and cannot be read again at a SIGHUP; name a file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is longer than %v, so it is no configuration; name another file", name, Size(maxFile))
	}
	return content, err
}

func (l *loader) readEnvironment(environ []string) {
	paths := make(map[string]string)
	var names []string
	for _, f := range root().values() {
		name := environmentName(f.path)
		paths[name] = f.path
		names = append(names, name)
	}
	a := l.add(environmentName, true)
	err := a.values.Load(env.Provider(".", env.Opt{
		Prefix:      Prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			path, known := paths[name]
			if !known && name != FileVariable && !discovered.MatchString(name) {
				l.refuse(name, 0, "", "this variable is unknown%s", meantVariable(name, names))
			}
			if value == "" { // how compose files and shells say that there is none
				return "", nil
			}
			return path, value
		},
	}), nil)
	if err != nil {
		l.refuse("", 0, "", "reading the environment: %v", err)
	}
}

func (l *loader) readFlags(flags *pflag.FlagSet) {
	if flags == nil {
		return
	}
	set, _ := flags.GetStringArray("set") // nil if there is no such flag
	named := make(map[string]string)
	a := l.add(func(path string) string {
		if name := named[path]; name != "" {
			return "--" + name
		}
		return "--set " + path
	}, true)
	err := a.values.Load(posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		path := flagKeys[f.Name]
		if path == "" || !f.Changed {
			return "", nil
		}
		named[path] = f.Name
		if f.Name == "cluster" && strings.Trim(f.Value.String(), ", ") == "" { // as of a variable that is not set
			l.refuse("--cluster", 0, "", "it names no node, and this one would be by itself; name them, as nats://10.0.0.1:%s, or leave it out", NATSRoutePort)
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			return path, slices.Clone(list.GetSlice())
		}
		return path, f.Value.String()
	}), nil)
	if err != nil {
		l.refuse("", 0, "", "reading the flags: %v", err)
	}
	for _, assignment := range set {
		l.assign(a, assignment, named)
	}
}

// assign takes the argument of a --set.
func (l *loader) assign(a *layer, assignment string, named map[string]string) {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok {
		l.refuse("--set", 0, "", "its argument has no = in it; write it as --set limits.message_size=64KiB")
		return
	}
	known := slices.ContainsFunc(root().values(), func(f *field) bool { return f.path == path })
	if !known {
		l.refuse("--set", 0, "", "the key %.60q is unknown%s", path, meantPath(path))
		return
	}
	delete(named, path)
	if err := a.values.Set(path, value); err != nil {
		l.refuse("--set", 0, path, "cannot be set: %v", err)
	}
}

// take gives f the value of the last source that has one.
func (l *loader) take(f *field, loaded *Loaded) {
	for i, a := range slices.Backward(l.layers) {
		raw := a.values.Get(f.path)
		if raw == nil {
			continue
		}
		d := decoder{text: a.text, walk: func(n *yaml.Node) {
			l.walkList(n, f, f.path, a.where(f.path), nil)
		}, refuse: func(key, text string) {
			l.problems = append(l.problems, Problem{Key: key, Where: a.where(top(key, a.text)), Text: text, order: i + 1, line: a.line(key)})
		}}
		v := reflect.New(f.typ).Elem()
		v.Set(f.in(reflect.ValueOf(&loaded.Config).Elem()))
		if d.decode(f, v, raw, f.path) {
			f.in(reflect.ValueOf(&loaded.Config).Elem()).Set(v)
			loaded.sources[f.path] = a.where(f.path)
		}
		return
	}
}

// locate says where the value stands that p is about.
func (l *loader) locate(p *Problem, key string) {
	for i, a := range slices.Backward(l.layers) {
		if a.values.Get(top(key, true)) != nil {
			p.Where, p.order, p.line = a.where(top(key, a.text)), i+1, a.line(key)
			return
		}
	}
}

// top is the key itself, or the list of which it is an element's if that is all that a source knows.
func top(key string, whole bool) string {
	if whole {
		key, _, _ = strings.Cut(key, "[")
	}
	return key
}

// warnings are about secrets that stand where others may read them.
func (l *Loaded) warnings() []string {
	var all []string
	warn := func(key string, s Secret) {
		path := top(key, true)
		if s != "" && l.sources[path] != "" && l.sources[path] != environmentName(path) {
			all = append(all, fmt.Sprintf("%s: %s is written out; put it into a file of its own and name that with %s_file, or pass it by %s",
				l.sources[path], key, key, environmentName(path)))
		}
	}
	if source := l.sources["broker.url"]; withoutPassword(l.Config.Broker.URL) != l.Config.Broker.URL && source != "" && source != environmentName("broker.url") {
		all = append(all, fmt.Sprintf("%s: broker.url has a password written out; pass the address by %s", source, environmentName("broker.url")))
	}
	for i, k := range l.Config.Auth.Keys {
		warn(fmt.Sprintf("auth.keys[%d].secret", i), k.Secret)
	}
	warn("backend.secret", l.Config.Backend.Secret)
	warn("broker.cluster.secret", l.Config.Broker.Cluster.Secret)
	warn("console.token", l.Config.Console.Token)
	for i, k := range l.Config.API.Keys {
		warn(fmt.Sprintf("api.keys[%d].secret", i), k.Secret)
	}
	return all
}
