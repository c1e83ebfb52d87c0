package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by scripts/release through the linker, and by nothing else.
var stampedVersion, stampedCommit, stampedDate string

type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"` // of the commit
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (e *env) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{Version: version(), Commit: commit(), Date: stampedDate, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			return e.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "alknet %s (%s%s, %s/%s)\n", v.Version, v.source(), v.Go, v.OS, v.Arch)
			})
		},
	}
	return e.jsonFlag(cmd)
}

// source tells which commit a release was built from.
func (v versionInfo) source() string {
	if v.Date == "" {
		return ""
	}
	return fmt.Sprintf("commit %.12s of %s, ", v.Commit, v.Date)
}

// version is that of the release or else of the module, "devel" for a build
// from a working tree.
func version() string {
	if stampedVersion != "" {
		return stampedVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

func commit() string {
	if stampedCommit != "" {
		return stampedCommit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
