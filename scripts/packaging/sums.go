package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const sumsName = "SHA256SUMS"

// writeSums covers every other file of dir, in the format of sha256sum(1).
func writeSums(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list artifacts: %w", err)
	}
	return create(filepath.Join(dir, sumsName), func(w io.Writer) error {
		for _, f := range list {
			if f.Name() == sumsName {
				continue
			}
			sum, err := sha256File(filepath.Join(dir, f.Name()))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s  %s\n", sum, f.Name()); err != nil {
				return err
			}
		}
		return nil
	})
}

func sha256File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
