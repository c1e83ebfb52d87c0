// Package addressbook keeps nodes.toml: short names for nodes that the owner
// reaches often.
package addressbook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core/auth"
)

// ErrNoNode says that a name is not in the book.
var ErrNoNode = errors.New("no such node")

// Book maps names to addresses as package dial parses them.
type Book map[string]string

type file struct {
	Nodes map[string]string `toml:"nodes"`
}

// maxFile bounds what is read, in bytes.
const maxFile = 1 << 20

const header = "# Saved nodes. Written by 'alknet node'.\n\n"

// Load reads the file; one that does not exist is an empty book.
func Load(path string) (Book, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Book{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read saved nodes: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read saved nodes: %w", err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes: correct the file or remove it", path, maxFile)
	}
	return Parse(raw, path)
}

// Parse reads the file's text; name is for errors.
func Parse(raw []byte, name string) (Book, error) {
	var f file
	dec := toml.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w: correct the file or remove it", name, err)
	}
	if f.Nodes == nil {
		f.Nodes = map[string]string{}
	}
	for saved := range f.Nodes {
		if err := auth.CheckName(saved); err != nil {
			return nil, fmt.Errorf("%s: name %q: %w: correct the file or remove it", name, saved, err)
		}
	}
	return f.Nodes, nil
}

// Save replaces the file.
func (b Book) Save(path string) error {
	raw, err := toml.Marshal(file{b})
	if err != nil {
		return fmt.Errorf("write saved nodes: %w", err)
	}
	return datadir.WriteFile(path, append([]byte(header), raw...), 0o600)
}

// Add saves an address under a name, in place of the one it had. The address
// must be valid; the caller has parsed it.
func (b Book) Add(name, address string) error {
	if err := auth.CheckName(name); err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	b[name] = address
	return nil
}

// Remove forgets a name.
func (b Book) Remove(name string) error {
	if _, ok := b[name]; !ok {
		return fmt.Errorf("%q: %w: see 'alknet node list'", name, ErrNoNode)
	}
	delete(b, name)
	return nil
}

// Names lists the names in order.
func (b Book) Names() []string { return slices.Sorted(maps.Keys(b)) }
