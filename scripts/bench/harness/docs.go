package harness

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
)

const figures = "bench" // folder beside the document

// publish updates the document's block of each group, and its JSON and SVG. It
// writes nothing unless every group is complete and has its marks. A group of which
// all rows were skipped stays as it is.
func publish(document string, r Report) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	groups := slices.DeleteFunc(slices.Clone(r.Groups), GroupResult.skipped)
	for _, g := range groups {
		if g.failed() {
			return fmt.Errorf("group %s: a row failed; nothing was written", g.Name)
		}
		var block bytes.Buffer
		writeBlock(&block, r, g, path.Join(figures, g.Name+".svg"))
		if text, err = replaceBlock(text, g.Name, block.Bytes()); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(document), err)
		}
	}
	dir := filepath.Join(filepath.Dir(document), figures)
	for _, g := range groups {
		var picture bytes.Buffer
		if err := writePlot(&picture, r.Project, g); err != nil {
			return err
		}
		if err := replaceFile(filepath.Join(dir, g.Name+".svg"), picture.Bytes()); err != nil {
			return err
		}
		one := r
		one.Groups = []GroupResult{g}
		if err := one.write(filepath.Join(dir, g.Name+".json")); err != nil {
			return err
		}
	}
	return replaceFile(document, text)
}

// marks are lines of their own in the document.
func marks(group string) (begin, end string) {
	return fmt.Sprintf("<!-- bench %s: written by -write, do not edit -->", group), fmt.Sprintf("<!-- bench %s: end -->", group)
}

func replaceBlock(text []byte, group string, block []byte) ([]byte, error) {
	begin, end := marks(group)
	before, rest, ok := bytes.Cut(text, []byte(begin+"\n"))
	_, after, closed := bytes.Cut(rest, []byte(end+"\n"))
	if !ok || !closed {
		return nil, fmt.Errorf("no block for group %s; add these two lines where its table belongs:\n%s\n%s", group, begin, end)
	}
	return fmt.Appendf(nil, "%s%s\n\n%s\n%s\n%s", before, begin, block, end, after), nil
}
