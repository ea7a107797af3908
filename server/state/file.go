// A file: how it comes to be, and how it is used up.

package state

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Keeper is a part of a node that has something to keep. Save is called once nothing of it changes any more. Load is called before
// anybody uses it, with what Save of an earlier process has written and nothing else; an error must leave it as it was.
type Keeper interface {
	Name() string // 1 to 255 bytes; the same in every process
	Save(w io.Writer) error
	Load(r io.Reader) error
}

// File is where the state of one node is kept. Two nodes must not share one.
type File struct {
	Path   string
	MaxAge time.Duration // an older file is not used; 0 is no bound
	Log    *slog.Logger  // nil means slog.Default
}

// Suffixes of the files beside it.
const (
	fresh   = ".new"     // being written
	damaged = ".damaged" // could not be read, for whoever wants to know why
)

// ahead is how far a file may be from the future, because clocks are set.
const ahead = 5 * time.Minute

func (f *File) log() *slog.Logger { return cmp.Or(f.Log, slog.Default()) }

// Check tells whether a file could be saved, so that a node does not find out when it stops.
func (f *File) Check() error {
	probe, err := os.OpenFile(f.Path+fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the state could not be saved: %w; let the node write in that directory, or name another one", err)
	}
	return errors.Join(probe.Close(), os.Remove(f.Path+fresh))
}

// Save writes all sections and puts the file in its place, so that there is always a whole one or none. After an error there is none.
func (f *File) Save(keepers ...Keeper) error {
	if err := f.save(keepers); err != nil {
		os.Remove(f.Path + fresh)
		return fmt.Errorf("saving the state: %w", err)
	}
	return nil
}

func (f *File) save(keepers []Keeper) error {
	os.Remove(f.Path + fresh) // or its mode would stay
	file, err := os.OpenFile(f.Path+fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file, time.Now(), keepers), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Path+fresh, f.Path); err != nil {
		return err
	}
	return syncDirectory(f.Path)
}

// Load hands each keeper its section, and uses the file up. Whatever is wrong with it is told to the log, and then the node begins anew
// with what could not be loaded: nothing that is in a file keeps it from starting.
func (f *File) Load(keepers ...Keeper) {
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		f.log().Info("no saved state; cursors of before are unknown to this node", "file", f.Path)
		return
	}
	if err != nil {
		f.log().Error("the saved state is not used; cursors of before are unknown to this node", "file", f.Path, "cause", err)
		return
	}
	defer file.Close()
	saved, err := f.usable(file)
	if err != nil {
		f.log().Error("the saved state is not used; cursors of before are unknown to this node", "file", f.Path, "cause", err)
		f.setAside()
		return
	}
	// Gone for good before anything of it is used; see the package.
	if err := errors.Join(os.Remove(f.Path), syncDirectory(f.Path)); err != nil {
		f.log().Error("the saved state is not used, because it cannot be removed and might be used twice; let the node write in that directory",
			"file", f.Path, "cause", err)
		return
	}
	if err := f.sections(file, keepers); err != nil { // it was read before, to its end
		f.log().Error("the saved state could not be read again", "file", f.Path, "cause", err)
		return
	}
	f.log().Info("loaded the saved state", "file", f.Path, "saved", saved.UTC().Format(time.RFC3339))
}

// usable reads the whole file, and tells when it was saved.
func (f *File) usable(file io.Reader) (saved time.Time, err error) {
	r, saved, err := open(file)
	if err != nil {
		return saved, err
	}
	for {
		name, section, err := r.next()
		if err != nil {
			return saved, err
		}
		if name == "" {
			break
		}
		if _, err := io.Copy(io.Discard, section); err != nil {
			return saved, err
		}
	}
	switch age := time.Since(saved); {
	case f.MaxAge > 0 && age > f.MaxAge:
		return saved, fmt.Errorf("it was saved %v ago, at most %v are believed (state.max_age)", age.Round(time.Second), f.MaxAge)
	case age < -ahead:
		return saved, fmt.Errorf("it was saved %v from now; set the clock", -age.Round(time.Second))
	}
	return saved, nil
}

// sections hands the sections out.
func (f *File) sections(file *os.File, keepers []Keeper) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r, _, err := open(file)
	if err != nil {
		return err
	}
	for {
		name, section, err := r.next()
		if err != nil || name == "" {
			return err
		}
		if err := load(name, section, keepers); err != nil {
			f.log().Error("a part of the saved state is not used", "part", name, "cause", err)
		}
		if _, err := io.Copy(io.Discard, section); err != nil {
			return err
		}
	}
}

func load(name string, section io.Reader, keepers []Keeper) error {
	for _, k := range keepers {
		if k.Name() == name {
			return k.Load(section)
		}
	}
	return errors.New("no part of this node has this name")
}

// setAside keeps a file that cannot be used from being found again.
func (f *File) setAside() {
	if err := os.Rename(f.Path, f.Path+damaged); err != nil {
		f.log().Error("it cannot be renamed, and will be found again", "file", f.Path, "cause", err)
	}
}

// syncDirectory has what was renamed or removed last through a loss of power.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
