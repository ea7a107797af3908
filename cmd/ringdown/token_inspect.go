// ringdown token inspect.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/auth"
)

// inspectOptions are the flags of token inspect.
type inspectOptions struct {
	key    auth.Key
	server auth.Options
}

func tokenInspectCommand() *cobra.Command {
	o := inspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect [TOKEN]",
		Short: "Say what is in a token, and why a server would refuse it",
		Long: `Say what is in a token, and why a server would refuse it. No server is asked; with --jwks the keys are
fetched. Without a key the signature is not checked, and anybody may have written what is shown.

Without TOKEN, or with "-", the token is read from the input, where other users of this machine
cannot see it. The token itself is not printed.

The exit status is 0 if nothing speaks against the token, otherwise 1.`,
		Example: `  ringdown token inspect --key ringdown.pem.pub < token
  ringdown token inspect --jwks https://login.example.com/.well-known/jwks.json --audience realtime -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := tokenFrom(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			return o.inspect(cmd.Context(), cmd.OutOrStdout(), token)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.key.File, "key", "", "`file` with the public key (PEM, JWK or JWKS) or secret (JWK)")
	flags.StringVar(&o.key.SecretFile, "secret-file", "", "`file` that holds a plain secret, for HS256")
	flags.StringVar(&o.key.URL, "jwks", "", "`URL` of the issuer's keys")
	flags.StringVar(&o.key.ID, "key-id", "", "`id` of the key, if its file has none")
	flags.StringVar(&o.server.Issuer, "issuer", "", "`name` of the issuer that the server asks for")
	flags.StringVar(&o.server.Audience, "audience", "", "`name` of the server as an audience")
	flags.DurationVar(&o.server.MaxTTL, "max-ttl", auth.DefaultMaxTTL, "longest `time` that the server lets a token live")
	return cmd
}

const longestInput = 64 << 10 // bytes

func tokenFrom(in io.Reader, args []string) (string, error) {
	text := ""
	if len(args) == 1 && args[0] != "-" {
		text = args[0]
	} else {
		b, err := io.ReadAll(io.LimitReader(in, longestInput))
		if err != nil {
			return "", err
		}
		text = string(b)
	}
	text = strings.TrimSpace(text)
	if scheme, rest, found := strings.Cut(text, " "); found && strings.EqualFold(scheme, "Bearer") {
		text = rest
	}
	return text, nil
}

var errTokenRefused = errors.New("a server would refuse this token")

func (o *inspectOptions) inspect(ctx context.Context, out io.Writer, token string) error {
	found, err := auth.Inspect(token, o.server)
	if err != nil {
		return err
	}
	problems := found.Problems
	signature := "not checked; give --key, --secret-file or --jwks"
	if o.key != (auth.Key{ID: o.key.ID}) {
		if signature, problems, err = o.verify(ctx, token, problems); err != nil {
			return err
		}
	}
	printInspection(out, found, signature)
	for _, problem := range problems {
		fmt.Fprintf(out, "refused    %s\n", printable(problem.Error()))
	}
	if len(problems) > 0 {
		return errTokenRefused
	}
	return nil
}

// verify checks the signature, and adds what that finds to the problems.
func (o *inspectOptions) verify(ctx context.Context, token string, problems []error) (string, []error, error) {
	o.server.Keys = []auth.Key{o.key}
	v, err := auth.New(o.server)
	if err != nil {
		return "", nil, err
	}
	defer v.Close()
	_, err = v.Verify(ctx, token)
	switch auth.ReasonOf(err) {
	case auth.ErrMalformed, auth.ErrTooLarge:
		return "not checked", problems, nil
	case auth.ErrSignature, auth.ErrUnknownKey, auth.ErrUnavailable:
		if failure := v.Keys()[0].Err; failure != nil {
			err = fmt.Errorf("%w (%v: %w)", err, o.key, failure)
		}
		return "not good", append([]error{err}, problems...), nil
	case auth.ErrAlgorithm:
		if len(problems) == 0 || auth.ReasonOf(problems[0]) != auth.ErrAlgorithm {
			problems = append([]error{err}, problems...)
		}
		return "not good", problems, nil
	}
	return "good", problems, nil
}

func printInspection(out io.Writer, i *auth.Inspection, signature string) {
	row := func(label, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-10s %s\n", label, printable(value))
		}
	}
	row("algorithm", i.Algorithm)
	row("key id", i.KeyID)
	row("signature", signature)
	if c := i.Claims; c != nil {
		now := time.Now()
		row("user", c.User)
		row("session", c.Session)
		row("token id", c.ID)
		row("issuer", c.Issuer)
		row("audience", strings.Join(c.Audience, ", "))
		row("issued", when(c.IssuedAt, now))
		row("not before", when(c.NotBefore, now))
		row("expires", when(c.Expires, now))
		for _, g := range c.Grants {
			row("channel", g.Pattern+": "+g.Rights.String())
		}
	}
	var indented bytes.Buffer
	if i.Payload != nil && json.Indent(&indented, i.Payload, "", "  ") == nil {
		row("payload", indented.String())
	}
}

func when(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	text := t.UTC().Format(time.RFC3339)
	if distance := t.Sub(now).Round(time.Second); distance > 0 {
		return fmt.Sprintf("%s, in %v", text, distance)
	} else {
		return fmt.Sprintf("%s, %v ago", text, -distance)
	}
}
