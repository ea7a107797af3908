// Package state keeps what a node knows over a restart: a file of sections, each written and read by a [Keeper].
//
//	file := state.File{Path: "/var/lib/ringdown/state", MaxAge: time.Hour, Log: log}
//	file.Load(keepers...) // as the node starts
//	...
//	err := file.Save(keepers...) // as it stops, once nothing changes any more
//
// A file is used once. What it says is true only as long as nobody has gone on from there, so Load removes it before it hands
// anything out: a node that is killed afterwards, and has saved nothing, begins anew.
//
// # Format
//
//	"ringdown state 1\n"
//	when it was saved, in nanoseconds since 1970         8 bytes, big endian
//	each section:
//	    length of its name, which is not 0               1 byte
//	    its name
//	    pieces: length, at most 64 KiB                   4 bytes
//	            bytes
//	    0, behind the last piece                         4 bytes
//	0, behind the last section                           1 byte
//	CRC-32C of all that stands before                    4 bytes
//
// The sum finds damage, not forgery: who can write the file can write anything. It is readable by its owner alone, for it holds
// what was published.
package state
