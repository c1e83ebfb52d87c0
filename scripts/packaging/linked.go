package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// module is one that a binary links, the standard library included.
type module struct {
	path, version string
	sum           string // as in go.sum; empty for the project's own and for std
	licence       string // an SPDX expression
	texts         []text // empty for the project's own
	own           bool
}

// text is a file that has to travel with the binary.
type text struct{ name, body string }

const ownLicence = "Apache-2.0 OR MIT"

// goPackage is what 'go list' tells of a package.
type goPackage struct {
	Dir      string
	Standard bool
	Module   *struct{ Path, Version, Dir string }
}

// linked reads from the binary which modules it links, and from the go command,
// which must come to the same list, where their files are. What is not released
// by others carries no version and gets none.
func linked(binary string) (mods []module, platform string, err error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, "", fmt.Errorf("read build information: %w", err)
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	platform = set["GOOS"] + "/" + set["GOARCH"]
	dirs, err := moduleDirs(info.Path, set["GOOS"], set["GOARCH"])
	if err != nil {
		return nil, "", err
	}
	own := strings.TrimSuffix(info.Main.Path, filepath.Base(info.Main.Path))
	for _, dep := range append([]*debug.Module{&info.Main}, info.Deps...) {
		m := module{path: dep.Path, version: dep.Version, sum: dep.Sum, own: strings.HasPrefix(dep.Path, own)}
		d, ok := dirs[dep.Path]
		switch {
		case dep.Replace != nil:
			return nil, "", fmt.Errorf("%s links %s in place of %s: a release replaces nothing", binary, dep.Replace.Path, dep.Path)
		case !ok:
			return nil, "", fmt.Errorf("%s links %s, which this source tree does not import: was it built from another?", binary, dep.Path)
		case m.own:
			m.version, m.licence = "", ownLicence
		case d.version != dep.Version:
			return nil, "", fmt.Errorf("%s links %s %s, but this source tree has %s", binary, dep.Path, dep.Version, d.version)
		default:
			if m.texts, err = licenceFiles(d.root, d.packages); err != nil {
				return nil, "", err
			}
		}
		mods = append(mods, m)
		delete(dirs, dep.Path)
	}
	for path := range dirs {
		return nil, "", fmt.Errorf("this source tree imports %s, which %s does not link: was it built from another?", path, binary)
	}
	std, err := standardLibrary(info.GoVersion)
	if err != nil {
		return nil, "", err
	}
	mods = append(mods, std)
	slices.SortFunc(mods, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return mods, platform, judge(mods)
}

// moduleDir is where a module is, and its folders that the binary links.
type moduleDir struct {
	root, version string
	packages      []string
}

func moduleDirs(pkg, goos, goarch string) (map[string]*moduleDir, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Standard,Module", pkg)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages of %s: %w", pkg, err)
	}
	dirs := map[string]*moduleDir{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return dirs, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		if p.Standard || p.Module == nil {
			continue
		}
		d := dirs[p.Module.Path]
		if d == nil {
			d = &moduleDir{root: p.Module.Dir, version: p.Module.Version}
			dirs[p.Module.Path] = d
		}
		d.packages = append(d.packages, p.Dir)
	}
}

// standardLibrary is under the licence of Go, which lies in GOROOT.
func standardLibrary(version string) (module, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return module{}, fmt.Errorf("find GOROOT: %w", err)
	}
	root := strings.TrimSpace(string(out))
	texts, err := licenceFiles(root, []string{root})
	return module{path: "std", version: strings.TrimPrefix(version, "go"), texts: texts}, err
}

var (
	licenceName = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)
	travelName  = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^notice|^patents|^copyright`)
)

// licenceFiles reads the licences and notices in the folders and in those above
// them, up to root.
func licenceFiles(root string, folders []string) ([]text, error) {
	seen := map[string]bool{}
	for _, dir := range folders {
		for ; !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			if dir == root {
				break
			}
		}
	}
	var texts []text
	for dir := range seen {
		list, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("look for licences: %w", err)
		}
		for _, f := range list {
			if f.IsDir() || !travelName.MatchString(f.Name()) || strings.HasSuffix(f.Name(), ".go") {
				continue
			}
			path := filepath.Join(dir, f.Name())
			body, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("read licence: %w", err)
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			texts = append(texts, text{filepath.ToSlash(rel), string(body)})
		}
	}
	slices.SortFunc(texts, func(a, b text) int { return strings.Compare(a.name, b.name) })
	return texts, nil
}
