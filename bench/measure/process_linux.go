package measure

// This file: the server's process, from this end of its standard input and output.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/ringdown/ringdown/bench/admin"
	"github.com/ringdown/ringdown/bench/servers"
)

// answerLimit bounds every wait for a server process: past it the process is killed, which ends the wait.
const answerLimit = 20 * time.Second

type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	hello  admin.Hello
}

// start runs this program once more, as `bench serve`.
func start(s *servers.Server, p Point, o Options) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "-lib", s.Name, "-kind", string(p.Kind), "-compression", string(p.Compression), "-payload", fmt.Sprint(p.Size)}
	if o.ProfileDir != "" {
		args = append(args, "-profile", fmt.Sprintf("%s/%s-%s.pprof", o.ProfileDir, p.Name, s.Name))
	}
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := Start(cmd, o.Pin); err != nil {
		return nil, err
	}
	server := &process{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	if err := server.hear(&server.hello); err != nil {
		server.stop()
		return nil, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	return server, nil
}

func (s *process) address() (netip.AddrPort, error) { return netip.ParseAddrPort(s.hello.Address) }

func (s *process) ask(command string) (stats admin.Stats, err error) {
	if _, err = io.WriteString(s.stdin, command+"\n"); err == nil {
		err = s.hear(&stats)
	}
	if err != nil {
		err = fmt.Errorf("asking the server to %q: %w", command, err)
	}
	return stats, err
}

func (s *process) hear(into any) error {
	timer := time.AfterFunc(answerLimit, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := s.stdout.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// stop ends the process: politely by closing its input, else by killing it.
func (s *process) stop() {
	s.stdin.Close()
	timer := time.AfterFunc(answerLimit, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	_ = s.cmd.Wait() // how a server ends, once it has been measured, is of no interest
}
