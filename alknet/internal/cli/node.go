package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core/dial"
)

func (e *env) nodeCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "node",
		Short: "Keep short names for nodes",
		Long: `Keep short names for nodes, to be written wherever a NODE is asked for. They are
kept in the data directory, which need not hold a node itself.`,
	}, e.nodeAddCommand(), e.nodeListCommand(), e.nodeRemoveCommand())
}

type savedNode struct {
	Name string `json:"name"`
	Node string `json:"node"`
}

func (e *env) nodeAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME NODE",
		Short: "Save a node under a name, in place of what the name stood for",
		Long: `Save a node under a name, in place of what the name stood for. NODE is
alknet://ID@host:port, ID@host:port, an ID alone, or host:port.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, a []string) error {
			target, err := dial.ParseTarget(a[1])
			if err != nil {
				return &usageError{err}
			}
			if !dial.ValidName(a[0]) {
				return usagef("name %q: a name has 1 to 63 of a-z, 0-9 and inner dashes, and is no node id", a[0])
			}
			if a[0] == selfName {
				return usagef("name %q: it stands for the node on this machine: choose another", a[0])
			}
			saved := savedNode{a[0], target.String()}
			err = e.changeNodes(func(b addressbook.Book) error { return b.Add(saved.Name, saved.Node) })
			if err != nil {
				return err
			}
			return e.print(saved, func(w io.Writer) { fmt.Fprintf(w, "%s is %s\n", saved.Name, saved.Node) })
		},
	}
	return e.jsonFlag(cmd)
}

func (e *env) nodeListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List saved nodes",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			d, err := e.dir()
			if err != nil {
				return err
			}
			book, err := addressbook.Load(d.Nodes())
			if err != nil {
				return err
			}
			nodes := make([]savedNode, 0, len(book))
			for _, name := range book.Names() {
				nodes = append(nodes, savedNode{name, book[name]})
			}
			return e.print(nodes, func(w io.Writer) {
				t := newTable(w, "NAME", "NODE")
				for _, n := range nodes {
					t.row(n.Name, n.Node)
				}
				t.flush()
			})
		},
	}
	return e.jsonFlag(cmd)
}

func (e *env) nodeRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget a saved node",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			err := e.changeNodes(func(b addressbook.Book) error { return b.Remove(a[0]) })
			if err != nil {
				return err
			}
			return e.print(map[string]string{"removed": a[0]}, func(w io.Writer) { fmt.Fprintf(w, "forgot %s\n", a[0]) })
		},
	}
	return e.jsonFlag(cmd)
}

// changeNodes edits the address book under a lock of its own: the lock of the
// directory belongs to the running node.
func (e *env) changeNodes(edit func(addressbook.Book) error) error {
	d, err := e.dir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.Path(), 0o700); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	lock, err := datadir.NewLock(d.File("nodes.lock"))
	if err != nil {
		return fmt.Errorf("lock saved nodes: %w", err)
	}
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock saved nodes: %w", err)
	}
	defer lock.Close()
	return editNodes(d, edit)
}

func editNodes(d datadir.Dir, edit func(addressbook.Book) error) error {
	book, err := addressbook.Load(d.Nodes())
	if err != nil {
		return err
	}
	if err := edit(book); err != nil {
		return err
	}
	return book.Save(d.Nodes())
}
