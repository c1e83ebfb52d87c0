package core_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// The codes of docs/wire/core.md, section 3, are those of errors.go.
func TestWireCodesMatchTheDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/wire/core.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("docs/wire/core.md is not part of this module")
	}
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]uint64{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(Code\\w+)` \\| (0x[0-9a-f]+) \\|").FindAllStringSubmatch(string(text), -1) {
		if documented[row[1]], err = strconv.ParseUint(row[2], 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	declared := declaredCodes(t)
	if len(declared) == 0 || fmt.Sprint(declared) != fmt.Sprint(documented) {
		t.Errorf("errors.go: %#x\ndocument:  %#x", declared, documented)
	}
}

func declaredCodes(t *testing.T) map[string]uint64 {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]uint64{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			literal, ok := value.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is not a literal", value.Names[0])
			}
			if codes[value.Names[0].Name], err = strconv.ParseUint(literal.Value, 0, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return codes
}
