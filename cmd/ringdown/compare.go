// ringdown compare-clients: simulated clients for the page /compare/ of a node in dev mode. The node starts it; it is no command for people.

package main

import (
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/web/measure"
)

const compareName = "compare-clients"

func compareCommand() *cobra.Command {
	return &cobra.Command{
		Use:    compareName + " WAY URL CLIENTS",
		Short:  "Simulate clients for the page /compare/",
		Hidden: true,
		Args:   cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[2])
			if err != nil {
				return err
			}
			return measure.Clients(cmd.Context(), args[0], args[1], n, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// compareClients is the command that runs this very program as the simulated clients.
func compareClients(way, url string, clients int) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return exec.Command(self, compareName, way, url, strconv.Itoa(clients))
}
