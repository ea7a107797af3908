// ringdown config: shows what a node can be told, what holds, and what is wrong with a file.

package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/server/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show and check the configuration of a node",
		Long: `Show and check what "ringdown serve" is told: by defaults, a YAML file, the environment
(RINGDOWN_…) and flags, the later winning over the earlier. Secrets are shown as "…".`,
		Example: `  ringdown config defaults > ringdown.yaml
  ringdown config check ringdown.yaml
  RINGDOWN_DEV=true ringdown config show --config ringdown.yaml --max-message 1MiB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configDefaultsCommand(), configShowCommand(), configCheckCommand(), configReferenceCommand())
	return cmd
}

func configDefaultsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "defaults",
		Short: "Print a YAML file with every key, its meaning and its default",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.Defaults())
			return err
		},
	}
}

func configShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print every value that would hold, and where it comes from",
		Long: `Print every value that "ringdown serve" with the same flags and environment would run with, and
where it comes from: the default, a line of the file, a variable or a flag.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(config.Sources{Environ: os.Environ(), Flags: cmd.Flags()})
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			for _, v := range loaded.Values() {
				fmt.Fprintf(table, "%s\t%s\t%s\n", v.Key, printable(v.Value), printable(v.Source))
			}
			return table.Flush()
		},
	}
	cmd.Flags().SortFlags = false
	config.AddFlags(cmd.Flags())
	return cmd
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Tell everything that is wrong with a file",
		Long: `Tell everything that is wrong with a configuration file, with line and cure. Environment and flags
are left out of account, and the files that it names are not opened. The exit status is 1 if anything
is wrong.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := config.Load(config.Sources{File: args[0]})
			if err != nil {
				return err
			}
			for _, warning := range loaded.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", printable(warning))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing is wrong\n", printable(args[0]))
			return err
		},
	}
}

func configReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print the reference of all keys, in Markdown",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.Reference())
			return err
		},
	}
}
