// The scripts, in which everything happens that must happen in one step, and what they need to know of a channel.

package redis

import (
	"crypto/sha1"
	_ "embed"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

var (
	//go:embed scripts/prelude.lua
	prelude string
	//go:embed scripts/members.lua
	membersText string
	//go:embed scripts/publish.lua
	publishText string
	//go:embed scripts/position.lua
	positionText string
	//go:embed scripts/history.lua
	historyText string
	//go:embed scripts/join.lua
	joinText string
	//go:embed scripts/leave.lua
	leaveText string
	//go:embed scripts/presence.lua
	presenceText string
	//go:embed scripts/heartbeat.lua
	heartbeatText string
	//go:embed scripts/bury.lua
	buryText string
	//go:embed scripts/tell.lua
	tellText string
)

// The scripts. They are sent by their hash, and in full to a server that does not know it.
var (
	publishScript   = rueidis.NewLuaScript(publishSource)
	positionScript  = script(prelude, positionText)
	historyScript   = script(prelude, historyText)
	heartbeatScript = script(prelude, heartbeatText)
	joinScript      = script(prelude, membersText, joinText)
	leaveScript     = script(prelude, membersText, leaveText)
	presenceScript  = script(prelude, membersText, presenceText)
	buryScript      = script(prelude, membersText, buryText)
	tellScript      = script(tellText)
)

// publishSource is the script by which several publications are sent at once, and publishHash its hash.
var (
	publishSource = source(prelude, publishText)
	publishHash   = fmt.Sprintf("%x", sha1.Sum([]byte(publishSource)))
)

func script(parts ...string) *rueidis.Lua { return rueidis.NewLuaScript(source(parts...)) }

func source(parts ...string) string {
	var short strings.Builder // without comments, for it may be sent often to a server that has been flushed
	for line := range strings.Lines(strings.Join(parts, "\n")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			short.WriteString(line + "\n")
		}
	}
	return short.String()
}
