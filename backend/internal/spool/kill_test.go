//go:build unix

package spool

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// The child of TestNothingThatWasAppendedIsLostToKill9 appends until it is killed, and prints each number when Append has
// returned.
func TestMain(m *testing.M) {
	dir := os.Getenv("SPOOL_TEST_CHILD")
	if dir == "" {
		os.Exit(m.Run())
	}
	q, err := OpenDisk(dir, 64<<20, SyncNever, quiet)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	from := int(q.ledger.next)
	for i := from; ; i++ {
		if err := q.Append(record(i)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func TestNothingThatWasAppendedIsLostToKill9(t *testing.T) {
	dir := t.TempDir()
	last := -1
	for range 3 { // the second and third process go on in a folder that a killed one has left
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "SPOOL_TEST_CHILD="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 2000 {
				child.Process.Kill() // and read what it has said until then
			}
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatal(lines.Text())
			}
		}
		child.Wait()
	}
	q := open(t, dir, 64<<20)
	next := 0
	for {
		b, err := q.Read(1000, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if b.Lost != 0 {
			t.Fatalf("%d lost before record %d", b.Lost, next)
		}
		if len(b.Records) == 0 {
			break
		}
		for _, r := range b.Records {
			if !bytes.Equal(r, record(next)) {
				t.Fatalf("record %d is %.20q", next, r)
			}
			next++
		}
		q.Ack(b)
	}
	if next <= last {
		t.Errorf("%d records are there, and number %d was appended", next, last)
	}
}
