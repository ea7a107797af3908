package doctor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// filesOf reads what proc(5) tells of a process.
func filesOf(pid int) (usage, error) {
	folder := fmt.Sprintf("/proc/%d/", pid)
	content, err := os.ReadFile(folder + "limits")
	if err != nil {
		return usage{}, err
	}
	open, err := os.ReadDir(folder + "fd")
	if err != nil {
		return usage{}, err
	}
	limit, err := softLimit(string(content))
	return usage{open: len(open), limit: limit}, err
}

// softLimit finds the line "Max open files  1024  524288  files"; 0 is no limit.
func softLimit(limits string) (int, error) {
	for line := range strings.Lines(limits) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if fields := strings.Fields(rest); ok && len(fields) > 0 {
			if fields[0] == "unlimited" {
				return 0, nil
			}
			return strconv.Atoi(fields[0])
		}
	}
	return 0, errors.New("its limits name no open files")
}
