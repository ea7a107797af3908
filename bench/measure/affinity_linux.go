package measure

// This file: which processor a process runs on.
//
// With two processors the server gets the first and the client the second. Unpinned, the kernel moves both between the
// two, the client's polling takes turns with the server, and how often is luck.

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	serverProcessor = 0
	clientProcessor = 1
)

// CanPin reports whether there are processors enough to keep client and server apart.
func CanPin() bool {
	var set unix.CPUSet
	return unix.SchedGetaffinity(0, &set) == nil && set.IsSet(serverProcessor) && set.IsSet(clientProcessor)
}

// PinClient locks the calling goroutine to its thread and all threads of this process to the client's processor.
func PinClient() error {
	runtime.LockOSThread()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := pin(id, clientProcessor); err != nil {
			return err
		}
	}
	return nil
}

// Start starts a server's process, on the server's processor if it is to be pinned.
func Start(cmd *exec.Cmd, pinned bool) error {
	if pinned {
		return startPinned(cmd)
	}
	return cmd.Start()
}

// startPinned starts cmd on the server's processor: a new process inherits that of the thread which starts it.
func startPinned(cmd *exec.Cmd) error {
	if err := pin(0, serverProcessor); err != nil {
		return err
	}
	err := cmd.Start()
	if back := pin(0, clientProcessor); err == nil {
		err = back
	}
	return err
}

func pin(thread, processor int) error {
	var set unix.CPUSet
	set.Set(processor)
	return unix.SchedSetaffinity(thread, &set)
}
