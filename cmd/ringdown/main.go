// Command ringdown is a realtime server, and the tools to talk to it:
//
//	ringdown serve     runs a node
//	ringdown config    shows and checks the configuration of a node
//	ringdown publish   publishes in a channel of a node
//	ringdown subscribe shows what is published in channels of a node, over any transport
//	ringdown connect   talks over a WebSocket from the terminal, or from a pipe
//	ringdown bench     puts load on a WebSocket server and says how it bore it
//	ringdown token     mints and inspects tokens, and makes keys for them
//	ringdown doctor    walks the way to a node, and says what is wrong with it
//	ringdown version   prints what this program was built from
//
// Each explains itself with --help.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit status: 0, or 1 after an error, which it has printed.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := &cobra.Command{
		Use:           "ringdown",
		Version:       build(),
		Short:         "A realtime server where every kind of web client meets in the same channels",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("ringdown {{.Version}}\n")
	root.AddCommand(serveCommand(), configCommand(), publishCommand(), subscribeCommand(), connectCommand(), benchCommand(), tokenCommand(), doctorCommand(),
		versionCommand(), compareCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists what there is", err, cmd.CommandPath())
	})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errs, "ringdown:", printable(err.Error()))
		return 1
	}
	return 0
}
