// The console: where a conversation's lines come from, and where what is received and what is remarked goes.

package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/ringdown/ringdown/websocket"
)

const (
	longestLine = 16 << 20 // bytes of a line of input
	longestDump = 4 << 10  // bytes of a binary message that a terminal is shown
)

// console is the user's end of a conversation. A person at a terminal gets an editable line that received messages do
// not tear apart; with a pipe at either end, out receives messages and nothing else.
type console struct {
	mu       sync.Mutex // one thing is printed at a time
	out      io.Writer  // received messages
	notes    io.Writer  // what this program has to say
	terminal bool       // out is read by a person
	prompts  bool       // and so is typed at by one
	readLine func() (string, error)
	restore  func()
}

// newConsole looks at what the streams are: terminals or not. Close it to give the terminal back.
func newConsole(in io.Reader, out, notes io.Writer) (*console, error) {
	c := &console{out: out, notes: notes, terminal: isTerminal(out), restore: func() {}}
	if c.terminal && isTerminal(in) {
		return c, c.editLines(in.(*os.File), out.(*os.File))
	}
	c.readLine = pipedLines(in)
	return c, nil
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// editLines puts the terminal into raw mode, so that messages can be printed above a line that is being typed.
func (c *console) editLines(in, out *os.File) error {
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("taking over the terminal: %w", err)
	}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "> ")
	c.prompts = true
	c.out, c.notes = editor, editor
	c.restore = func() {
		io.WriteString(out, "\r\x1b[K") // the prompt goes
		term.Restore(fd, before)
	}
	c.readLine = func() (string, error) {
		if width, height, err := term.GetSize(fd); err == nil && width > 0 {
			editor.SetSize(width, height)
		}
		line, err := editor.ReadLine()
		if errors.Is(err, term.ErrPasteIndicator) {
			err = nil
		}
		return line, err
	}
	return nil
}

func pipedLines(in io.Reader) func() (string, error) {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, longestLine)
	return func() (string, error) {
		if scanner.Scan() {
			return scanner.Text(), nil
		}
		if err := scanner.Err(); err != nil {
			return "", fmt.Errorf("reading input: %w", err)
		}
		return "", io.EOF
	}
}

// close gives the terminal back as it was.
func (c *console) close() { c.restore() }

// message shows a received message: to a person with a mark and nothing that a terminal would obey, to a pipe as it is,
// one line each. A pipe gets a binary message as "binary", its length and its bytes in hexadecimal.
func (c *console) message(kind websocket.MessageType, payload []byte) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.terminal && kind == websocket.Binary:
		_, err = fmt.Fprintf(c.out, "< binary, %d bytes\n%s", len(payload), dump(payload))
	case c.terminal:
		_, err = fmt.Fprintf(c.out, "< %s\n", printable(string(payload)))
	case kind == websocket.Binary:
		_, err = fmt.Fprintf(c.out, "binary %d %x\n", len(payload), payload)
	default:
		_, err = fmt.Fprintf(c.out, "%s\n", payload)
	}
	return err
}

// note remarks on something. What strangers said in it is made printable, as notes are for people wherever they go.
func (c *console) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.notes, "* %s\n", printable(fmt.Sprintf(format, args...)))
}

func dump(payload []byte) string {
	shown := payload[:min(len(payload), longestDump)]
	lines := "  " + strings.ReplaceAll(strings.TrimSuffix(hex.Dump(shown), "\n"), "\n", "\n  ") + "\n"
	if rest := len(payload) - len(shown); rest > 0 {
		lines += fmt.Sprintf("  and %d bytes more\n", rest)
	}
	return lines
}
