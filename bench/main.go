//go:build linux

// Command bench measures WebSocket servers side by side: the processor time that a message costs the server, its
// allocations, and the memory that an idle connection holds. See README.md for how to run it and how to read it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/bench/admin"
	"github.com/ringdown/ringdown/bench/measure"
	"github.com/ringdown/ringdown/bench/report"
	"github.com/ringdown/ringdown/bench/rooms"
	"github.com/ringdown/ringdown/bench/servers"
)

func main() {
	command := run
	args := os.Args[1:]
	if len(args) > 0 {
		named := map[string]func([]string) error{
			"serve": serve, "room": serveRoom, "siege": siege, "hostile": attack, "nodes": manyNodes, "listeners": listen,
		}[args[0]]
		if named != nil {
			command, args = named, args[1:]
		}
	}
	if err := command(args); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serve is one server in a process of its own. It ends when its input does, so that it cannot outlive who started it.
func serve(args []string) error {
	flags := flag.NewFlagSet("bench serve", flag.ContinueOnError)
	name := flags.String("lib", "", "the server's `name`")
	kind := flags.String("kind", string(servers.Echo), "`kind` of point")
	compression := flags.String("compression", string(servers.Off), "off, no-takeover or takeover")
	payload := flags.Int("payload", 32, "`bytes` of a message, which the floor must know")
	profile := flags.String("profile", "", "`file` for a CPU profile of the measured window")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := servers.Find(*name)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	options := servers.Options{Listener: ln, Compression: servers.Compression(*compression), Payload: *payload}
	if servers.Kind(*kind) == servers.IdleTLS {
		if options.TLS, err = servers.SelfSigned(); err != nil {
			return err
		}
	}
	failed := make(chan error, 2)
	go func() { failed <- server.Run(servers.Kind(*kind), options) }()
	go func() {
		hello := admin.Hello{Address: ln.Addr().String(), GOMAXPROCS: runtime.GOMAXPROCS(0)}
		failed <- admin.Serve(os.Stdin, os.Stdout, hello, *profile)
	}()
	return <-failed
}

// settings is what the command line of a run says.
type settings struct {
	libs, points string
	rounds       int
	quick, list  bool
	reference    string
	jsonFile     string
	limit        time.Duration
	measure      measure.Options
	settle       time.Duration
	programs     map[string]string // servers that are not to be built, by name
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.libs, "libs", "", "servers to measure: comma-separated `names` or patterns (gobwas*); default: each where it belongs")
	flags.StringVar(&s.points, "points", "*", "points to measure: comma-separated `names` or patterns (echo-*-100); rooms stands for all of whole servers, cluster for all of several nodes")
	flags.IntVar(&s.rounds, "rounds", 0, "how many times each server is measured at each point with messages (default 3; quick 1)")
	flags.DurationVar(&s.measure.Window, "window", 0, "how long messages are counted (default 600ms; quick 250ms)")
	flags.DurationVar(&s.measure.Warmup, "warmup", 0, "how long messages flow before (default 200ms; quick 100ms)")
	flags.BoolVar(&s.measure.Pin, "pin", measure.CanPin(), "give the server the first processor and the client the second")
	flags.StringVar(&s.measure.ProfileDir, "profile", "", "`directory` for CPU profiles of the servers (the figures suffer)")
	flags.BoolVar(&s.quick, "quick", false, "fewer points, one round: under a minute and a half")
	flags.BoolVar(&s.list, "list", false, "list servers and points, measure nothing")
	flags.StringVar(&s.reference, "ref", "ringdown", "the `server` that the others are compared with")
	flags.StringVar(&s.jsonFile, "json", "", "`file` for all samples")
	flags.DurationVar(&s.limit, "limit", 0, "begin no further measurement of libraries, and none of whole servers, after this time (default 7m30s; quick 80s)")
	flags.DurationVar(&s.settle, "settle", 20*time.Second, "how long the memory of a whole server is watched at least before it is read; ringdown gives memory back 5 to 10s after a storm of connections, any server in Go after 2m at the latest")
	flags.Func("program", "`server=path` of a server that is not to be built, as centrifugo=/usr/bin/centrifugo; repeatable", func(text string) error {
		name, path, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("write it as server=path")
		}
		if s.programs == nil {
			s.programs = map[string]string{}
		}
		s.programs[name] = path
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for _, patterns := range []string{s.libs, s.points} {
		if _, err := match(patterns, ""); err != nil {
			return s, err
		}
	}
	s.rounds = cmp.Or(s.rounds, ifQuick(s.quick, 1, 3))
	s.measure.Window = cmp.Or(s.measure.Window, ifQuick(s.quick, 250*time.Millisecond, 600*time.Millisecond))
	s.measure.Warmup = cmp.Or(s.measure.Warmup, ifQuick(s.quick, 100*time.Millisecond, 200*time.Millisecond))
	s.limit = cmp.Or(s.limit, ifQuick(s.quick, 80*time.Second, 7*time.Minute+30*time.Second))
	return s, nil
}

func ifQuick[T any](quick bool, yes, no T) T {
	if quick {
		return yes
	}
	return no
}

func run(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	points, roomGroups := s.chosenPoints(), s.chosenRooms()
	if s.list {
		list(points, slices.Concat(roomGroups...))
		return nil
	}
	if s.measure.Pin {
		if err := measure.PinClient(); err != nil {
			return fmt.Errorf("pinning the client (-pin=false does without): %w", err)
		}
	}
	// The client allocates next to nothing while it measures; a collection in a window would only make it stumble.
	debug.SetGCPercent(-1)
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result := s.measureLibraries(interrupted, points)
	if result != nil {
		result.Write(os.Stdout)
	}
	var roomResults []*report.Rooms
	for _, group := range roomGroups {
		one, err := s.measureRooms(interrupted, group)
		if err != nil {
			return err
		}
		if one != nil {
			one.Write(os.Stdout)
			roomResults = append(roomResults, one)
		}
	}
	if result == nil && len(roomResults) == 0 {
		return errors.New("nothing to measure: -libs and -points together choose no server at any point; see -list")
	}
	if err := writeJSON(s.jsonFile, result, roomResults); err != nil {
		return err
	}
	return firstFailure(result, roomResults)
}

// measureLibraries returns nil if there was nothing to measure.
func (s *settings) measureLibraries(interrupted context.Context, points []measure.Point) *report.Run {
	samples, complete := s.measureAll(interrupted, points)
	if len(samples) == 0 {
		return nil
	}
	return &report.Run{
		Points: points, Servers: servers.All(), Versions: versions(), Reference: s.referenceAmong(samples),
		Samples: samples, Machine: machine(*s, s.measure.Window, samples[len(samples)-1].Round+1, complete),
	}
}

// measureAll goes round all servers at one point before it goes on to the next point, and round all points before the
// next round. So the servers of a point are measured within seconds of each other, and a point's rounds are minutes apart.
// It is complete unless the limit or an interrupt came first.
func (s *settings) measureAll(interrupted context.Context, points []measure.Point) (samples []measure.Sample, complete bool) {
	began := time.Now()
	for round := range s.rounds {
		for _, p := range points {
			if p.Once && round > 0 {
				continue
			}
			libs := s.chosenServers(p)
			for turn := range libs {
				if time.Since(began) > s.limit || interrupted.Err() != nil {
					fmt.Fprintf(os.Stderr, "stopped in round %d, at %s\n", round+1, p.Name)
					return samples, false
				}
				// Every round begins with another server, so that none is always measured behind the same one.
				lib := libs[(turn+round)%len(libs)]
				sample := measure.Take(lib, p, s.measure)
				sample.Round = round
				samples = append(samples, sample)
				runtime.GC()
				progress(os.Stderr, time.Since(began), sample)
			}
		}
	}
	return samples, true
}

func progress(w io.Writer, elapsed time.Duration, s measure.Sample) {
	fmt.Fprintf(w, "%4.0fs  round %d  %-26s %-15s ", elapsed.Seconds(), s.Round+1, s.Point, s.Server)
	switch {
	case s.Error != "":
		fmt.Fprintln(w, "FAILED:", s.Error)
	case s.Messages > 0:
		fmt.Fprintf(w, "%7.0f ns/msg  %5.2f allocs/msg\n", s.CPU, s.Allocations)
	default:
		fmt.Fprintf(w, "%7.0f bytes/connection\n", s.MemoryBytes)
	}
}

func (s *settings) chosenPoints() (chosen []measure.Point) {
	for _, p := range measure.Points() {
		if ok, _ := match(s.points, p.Name); ok && (p.Quick || !s.quick) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

func (s *settings) chosenServers(p measure.Point) (chosen []*servers.Server) {
	for _, lib := range servers.All() {
		named, _ := match(s.libs, lib.Name)
		able := lib.Does(p.Kind, p.Compression) && (p.Compression == servers.Off || lib.Name != "floor")
		if able && (named || s.libs == "" && slices.Contains(lib.Kinds, p.Kind)) {
			chosen = append(chosen, lib)
		}
	}
	return chosen
}

// referenceAmong falls back on the first server measured when the chosen reference was not.
func (s *settings) referenceAmong(samples []measure.Sample) string {
	for _, sample := range samples {
		if sample.Server == s.reference {
			return s.reference
		}
	}
	return samples[0].Server
}

// match reports whether one of the comma-separated patterns matches name.
func match(patterns, name string) (matched bool, err error) {
	for pattern := range strings.SplitSeq(patterns, ",") {
		ok, err := path.Match(strings.TrimSpace(pattern), name)
		if err != nil {
			return false, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		matched = matched || ok && pattern != ""
	}
	return matched, nil
}

func list(points []measure.Point, roomPoints []rooms.Point) {
	for _, lib := range servers.All() {
		fmt.Printf("%-26s %s\n", lib.Name, lib.About)
	}
	fmt.Println()
	for _, p := range points {
		fmt.Printf("%-26s %s\n", p.Name, p.Title())
	}
	fmt.Println()
	for _, peer := range rooms.All() {
		fmt.Printf("%-26s %s\n", peer.Name, peer.About)
	}
	fmt.Println()
	for _, p := range roomPoints {
		fmt.Printf("%-26s %s\n", p.Name, p.Title())
	}
}

// versions returns the versions of the libraries that are linked in.
func versions() map[string]string {
	all := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			all[module.Path] = strings.TrimPrefix(module.Version, "v0.0.0-00010101000000-000000000000")
		}
	}
	return all
}

// machine is the line above the tables: what the figures were measured on, and how.
func machine(s settings, window time.Duration, begun int, complete bool) string {
	placed := "client and server not pinned"
	if s.measure.Pin {
		placed = "server on one processor, client on another"
	}
	rounds := fmt.Sprintf("%d rounds", begun)
	if !complete {
		rounds += ", the last one incomplete"
	}
	return fmt.Sprintf("%s; %s; windows of %v, medians of %s.", machineName(), placed, window, rounds)
}

func machineName() string {
	return fmt.Sprintf("%s, %s, %d × %s", runtime.Version(), kernel(), runtime.NumCPU(), processor())
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(release))
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // without it the processor is nameless
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func writeJSON(file string, r *report.Run, whole []*report.Rooms) error {
	if file == "" {
		return nil
	}
	var all struct {
		Machine      string            `json:",omitempty"`
		Versions     map[string]string `json:",omitempty"`
		Samples      []measure.Sample  `json:",omitempty"`
		RoomVersions map[string]string `json:",omitempty"`
		Rooms        []rooms.Sample    `json:",omitempty"`
	}
	if r != nil {
		all.Machine, all.Versions, all.Samples = r.Machine, r.Versions, r.Samples
	}
	all.RoomVersions = map[string]string{}
	for _, group := range whole {
		all.Machine = cmp.Or(all.Machine, group.Machine)
		maps.Copy(all.RoomVersions, group.Versions)
		all.Rooms = append(all.Rooms, group.Samples...)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func firstFailure(r *report.Run, whole []*report.Rooms) error {
	if r != nil {
		for _, s := range r.Samples {
			if s.Error != "" {
				return fmt.Errorf("%s at %s: %s", s.Server, s.Point, s.Error)
			}
		}
	}
	for _, group := range whole {
		if err := firstFailedRoom(group.Samples); err != nil {
			return err
		}
	}
	return nil
}
