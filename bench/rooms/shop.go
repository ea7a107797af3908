package rooms

// This file: where servers come from. Everything is built or installed before the first measurement and kept for later runs.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Shop builds and installs servers into one directory.
type Shop struct {
	Dir   string
	Given map[string]string // programs that are not to be built, by the name of their server

	programs map[string]Program
	failures map[string]error
}

// NewShop keeps servers in the user's cache directory.
func NewShop(given map[string]string) (*Shop, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "ringdown-bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Shop{Dir: dir, Given: given, programs: map[string]Program{}, failures: map[string]error{}}, nil
}

// Get builds a peer's server unless it was tried before.
func (s *Shop) Get(p *Peer) (Program, error) {
	if err := s.failures[p.Name]; err != nil {
		return Program{}, err
	}
	if program, ok := s.programs[p.Name]; ok {
		return program, nil
	}
	program, err := p.Build(s)
	if err != nil {
		s.failures[p.Name] = err
		return program, err
	}
	s.programs[p.Name] = program
	return program, nil
}

// Versions is what was built, by peer.
func (s *Shop) Versions() map[string]string {
	versions := map[string]string{}
	for name, program := range s.programs {
		versions[name] = program.Version
	}
	return versions
}

// buildModule builds a package of a module that these benchmarks know the place of.
func (s *Shop) buildModule(module, pkg, program string) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("looking for the module %s (the benchmarks run from their own folder): %w", module, err)
	}
	return s.run(strings.TrimSpace(string(dir)), nil, "go", "build", "-o", program, pkg)
}

// install is `go install` of a command that is no dependency of ours. A proxy that refuses the module is the end of it:
// whoever has the program from elsewhere can give it.
func (s *Shop) install(pkg, program string) error {
	if _, err := os.Stat(program); err == nil {
		return nil
	}
	if err := s.run(s.Dir, []string{"GOBIN=" + s.Dir}, "go", "install", pkg); err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return nil
}

// run runs a command to its end; the last lines of what it said are in the error.
func (s *Shop) run(dir string, environment []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environment...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLines(said))
	}
	return nil
}

// lastLines is the end of an output, on one line.
func lastLines(said []byte) string {
	const most = 300
	said = bytes.TrimSpace(said)
	said = said[max(0, len(said)-most):]
	return strings.Join(strings.Fields(string(said)), " ")
}
