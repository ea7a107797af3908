// Package config is everything that a node can be told: one typed struct, the sources that fill it, and the words in which it
// refuses what makes no sense.
//
//	loaded, err := config.Load(config.Sources{File: "ringdown.yaml", Environ: os.Environ(), Flags: cmd.Flags()})
//	if err != nil {
//		return err // one line for each mistake
//	}
//	node, err := server.New(loaded.Config, log)
//
// A later source wins: defaults, the YAML file, the environment, flags. A key such as limits.message_size is
// RINGDOWN_LIMITS_MESSAGE_SIZE in the environment, and any key can be set on the command line with --set limits.message_size=1MiB.
// [Loaded.Source] tells where a value came from, and [Diff] what of a new configuration a running node can take.
//
// The package is plain data: it opens the file that it is told to read and nothing else, and knows no other package of the module but that of patterns. A
// [Config] may be read by several goroutines and is not to be changed once it is in use.
package config
