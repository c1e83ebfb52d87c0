package main

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// permissive is what a release may contain: licences that ask for their text
// and, in one case, for the source of the files under it.
var permissive = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense"}

// recognised is the share of a licence file's words, in percent, that must be
// known text. The rest are names and years.
const recognised = 80

// judge finds each module's licence, and refuses what is not permissive.
func judge(mods []module) error {
	var bad []error
	for i := range mods {
		m := &mods[i]
		if m.own {
			continue
		}
		var err error
		if m.licence, err = licenceOf(m.texts); err != nil {
			bad = append(bad, fmt.Errorf("%s %s: %w", m.path, m.version, err))
		}
	}
	return errors.Join(bad...)
}

// licenceOf is the expression for all of a module's licence files together: a
// choice among them is for a person to find.
func licenceOf(texts []text) (string, error) {
	var ids []string
	for _, t := range texts {
		if !licenceName.MatchString(path.Base(t.name)) {
			continue
		}
		cover := licensecheck.Scan([]byte(t.body))
		if cover.Percent < recognised || len(cover.Match) == 0 {
			return "", fmt.Errorf("%s: only %.0f %% of it is the text of a known licence", t.name, cover.Percent)
		}
		for _, m := range cover.Match {
			if !slices.Contains(permissive, m.ID) {
				return "", fmt.Errorf("%s: %s is not among the licences that a release may contain: %s", t.name, m.ID, strings.Join(permissive, ", "))
			}
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return "", errors.New("no licence file")
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " AND "), nil
}

const noticesHead = `This copy of alknet contains the modules below, which others hold the copyright
of. Their source is at the address https://pkg.go.dev/PATH@VERSION, their licences
follow. alknet itself is under Apache-2.0 or MIT, at your option; see LICENSE.
`

func writeNotices(binary, file string) error {
	mods, _, err := linked(binary)
	if err != nil {
		return err
	}
	return create(file, func(w io.Writer) error {
		_, err := io.WriteString(w, notices(mods))
		return err
	})
}

func notices(mods []module) string {
	var b strings.Builder
	b.WriteString(noticesHead)
	for _, m := range mods {
		if m.own {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n%s %s\n%s\n", strings.Repeat("=", 78), m.path, m.version, m.licence)
		for _, t := range m.texts {
			fmt.Fprintf(&b, "\n---- %s\n\n%s\n", t.name, strings.TrimSpace(strings.ReplaceAll(t.body, "\r\n", "\n")))
		}
	}
	return b.String()
}
