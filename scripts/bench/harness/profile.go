package harness

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
)

// profileVariable tells a helper the folder.
const profileVariable = "HARNESS_PROFILE"

// profiled writes the CPU profile of work to a new file of folder, unless that is
// empty. A helper must end by itself for its profile to be complete.
func profiled(folder, name string, work func() error) error {
	if folder == "" {
		return work()
	}
	f, err := os.CreateTemp(folder, strings.ReplaceAll(name, string(filepath.Separator), "-")+"-*.pprof")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return err
	}
	err = work()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
