// ringdown doctor: its flags, and its report as people and programs read it.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/doctor"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	doctor.Options
	tokenFile string
	json      bool
}

func doctorCommand() *cobra.Command {
	o := doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor URL",
		Short: "Walk the way to a node step by step, and say what is wrong and how to mend it",
		Long: `Walk the way to a node step by step: name, addresses, TLS and certificate, who answers, clock, token,
polls, event streams, WebSockets and their frames, origins. One line for each, with the cure.

URL is a node's or that of a path of it: http, https, ws or wss. Run it from where clients are: what
proxies on the way do to lines is what it is for. Nothing is published. With --idle it also watches
how long quiet lines live; 70s is longer than the time-outs that proxies come with.

A token is read from a file or, with -, from the input. It is sent over TLS that verifies or to this
machine only, and never printed.

The exit status is 0 if nothing failed (there may be warnings), otherwise 1.`,
		Example: `  ringdown doctor https://rt.example.com
  ringdown doctor https://rt.example.com/channels/news --origin https://app.example.com --idle 70s
  ringdown doctor ws://127.0.0.1:8000 --pid "$(pidof ringdown)" --json`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.URL = args[0]
			return o.run(cmd)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Channel, "channel", "", "`name` of the channel to listen to (default: that of URL, or "+doctor.DefaultChannel+")")
	flags.StringVar(&o.Origin, "origin", "", "`origin` whose pages should be able to connect, as https://app.example.com")
	flags.StringVar(&o.tokenFile, "token-file", "", "`file` that holds a token; - is the input")
	flags.BoolVar(&o.Ready, "ready", false, "ask only whether the node is ready (/readyz), as a health check does")
	flags.DurationVar(&o.Idle, "idle", 0, "`time` for which to watch quiet lines, as 70s; 0 does not")
	flags.DurationVar(&o.Timeout, "timeout", doctor.DefaultTimeout, "longest `time` for each other step")
	flags.IntVar(&o.PID, "pid", 0, "process `id` of the server on this machine, to look at its open files")
	flags.BoolVar(&o.Insecure, "insecure", false, "go on when the server's TLS certificate does not verify")
	flags.BoolVar(&o.json, "json", false, "print the report as JSON")
	return cmd
}

// run examines, and tells what was found as it is found.
func (o *doctorOptions) run(cmd *cobra.Command) error {
	if o.tokenFile != "" {
		var err error
		if o.Token, err = readToken(cmd.InOrStdin(), o.tokenFile); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	if !o.json {
		o.Tell = func(f doctor.Finding) { printFinding(out, f) }
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := doctor.Examine(ctx, o.Options)
	if err != nil {
		return err
	}
	if o.json {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return err
		}
	}
	if report.Failures > 0 {
		return fmt.Errorf("%s on the way to %s", plural(report.Failures, "failure"), report.URL)
	}
	return nil
}

// readToken reads a file of one token.
func readToken(in io.Reader, name string) (string, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	token, err := tokenFrom(in, nil)
	switch {
	case err != nil:
		return "", err
	case token == "" || strings.ContainsAny(token, " \t\r\n"):
		return "", errors.New("--token-file holds no token, or more than one; let it hold a token and nothing else")
	}
	return token, nil
}

// printFinding prints a line, and the cure below it.
func printFinding(out io.Writer, f doctor.Finding) {
	fmt.Fprintf(out, "%-8s %-12s %s\n", f.Status, f.Step, printable(f.Text))
	if f.Cure != "" {
		fmt.Fprintf(out, "%-21s → %s\n", "", printable(f.Cure))
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
