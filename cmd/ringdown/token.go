// ringdown token: mint.

package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/auth"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint and inspect tokens, and make keys for them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokenMintCommand(), tokenInspectCommand(), tokenKeygenCommand())
	return cmd
}

// mintOptions are the flags of token mint.
type mintOptions struct {
	key, secretFile, keyID string
	claims                 auth.Claims
	lifetime               time.Duration
	audience               string
	info                   string
	grants                 []string
}

func tokenMintCommand() *cobra.Command {
	o := mintOptions{}
	cmd := &cobra.Command{
		Use:   "mint",
		Short: "Make a token and print it",
		Long: `Make a token and print it. The key is a private key in PEM, or a JWK, as "ringdown token keygen" makes
them, or a file that holds a secret of 32 bytes or more.

A token carries an id of its own ("jti"), by which it can be revoked, and what --channel says, or
nothing of channels. It is a password for as long as it lives: keep it out of logs.`,
		Example: `  ringdown token mint --key ringdown.pem --user alice
  ringdown token mint --key ringdown.pem --user alice --expires 10m --channel 'chat:*=subscribe,publish' --channel news=subscribe`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := o.mint(time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.key, "key", "", "`file` with the private key (PEM or JWK) or secret (JWK)")
	flags.StringVar(&o.secretFile, "secret-file", "", "`file` that holds a plain secret, for HS256")
	flags.StringVar(&o.keyID, "key-id", "", "`id` of the key, if its file has none")
	flags.StringVar(&o.claims.User, "user", "", "whose token it is, a `name`")
	flags.DurationVar(&o.lifetime, "expires", time.Hour, "`time` that the token lives, as 10m")
	flags.StringArrayVar(&o.grants, "channel", nil, "a `pattern=rights` that it grants, as 'chat:*=subscribe,publish'; repeatable")
	flags.StringVar(&o.claims.Session, "session", "", "`id` of the login that it belongs to")
	flags.StringVar(&o.claims.ID, "id", "", "`id` of the token; one is made up unless you give it")
	flags.StringVar(&o.claims.Issuer, "issuer", "", "`name` of the issuer, if the server asks for one")
	flags.StringVar(&o.audience, "audience", "", "`name` of the server, if it asks for one")
	flags.StringVar(&o.info, "info", "", "what others may know of the user, a `JSON` value")
	return cmd
}

func (o *mintOptions) mint(now time.Time) (string, error) {
	if o.claims.User == "" {
		return "", errors.New("--user is missing; say whose token it is to be")
	}
	if o.lifetime < time.Second {
		return "", fmt.Errorf("--expires is %v; give it a second or more, as 10m", o.lifetime)
	}
	key, err := signingKey(o.key, o.secretFile, o.keyID)
	if err != nil {
		return "", err
	}
	c := o.claims
	c.IssuedAt, c.Expires = now, now.Add(o.lifetime)
	if c.ID == "" {
		c.ID = strings.ToLower(rand.Text()[:20])
	}
	if o.audience != "" {
		c.Audience = []string{o.audience}
	}
	if o.info != "" {
		if !json.Valid([]byte(o.info)) {
			return "", errors.New(`--info is not JSON; write it as '{"name":"Alice"}'`)
		}
		c.Info = json.RawMessage(o.info)
	}
	for _, line := range o.grants {
		g, err := auth.ParseGrant(line)
		if err != nil {
			return "", fmt.Errorf("--channel %.80q: %w", line, err)
		}
		c.Grants = append(c.Grants, g)
	}
	return auth.Mint(&c, key)
}

// signingKey reads the key of exactly one of two files.
func signingKey(file, secretFile, id string) (*auth.SigningKey, error) {
	if (file == "") == (secretFile == "") {
		return nil, errors.New("give --key or --secret-file, and one of them; \"ringdown token keygen\" makes a key")
	}
	content, err := readSmall(file + secretFile)
	if err != nil {
		return nil, err
	}
	var key *auth.SigningKey
	if file != "" {
		key, err = auth.ParseSigningKey(content, id)
	} else {
		key, err = auth.NewSigningKey(id, []byte(strings.TrimRight(string(content), "\r\n")))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file+secretFile, err)
	}
	return key, nil
}

const longestKeyFile = 256 << 10 // bytes

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, longestKeyFile))
}
