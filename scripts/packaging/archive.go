package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file or a folder of an archive: its owner, its time and the umask
// of whoever built it do not matter.
type entry struct {
	name string // slash-separated, with the top folder; ends in "/" for a folder
	path string
	mode fs.FileMode
	size int64
}

// entries lists dir in lexical order.
func entries(dir string) ([]entry, error) {
	var list []entry
	top := filepath.Base(dir)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		e := entry{name: filepath.ToSlash(filepath.Join(top, rel)), path: path, mode: 0o644, size: info.Size()}
		switch {
		case d.IsDir():
			e.name, e.mode, e.size = e.name+"/", 0o755, 0
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder", path)
		case info.Mode()&0o100 != 0:
			e.mode = 0o755
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

// archive packs dir, whose name becomes the top folder. Equal contents and an
// equal time give equal bytes.
func archive(dir, file string, when time.Time) error {
	list, err := entries(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	write := writeTar
	if strings.HasSuffix(file, ".zip") {
		write = writeZip
	} else if !strings.HasSuffix(file, ".tar.gz") {
		return fmt.Errorf("pack %s: the name must end in .tar.gz or .zip", file)
	}
	return create(file, func(w io.Writer) error { return write(w, list, when) })
}

func writeTar(w io.Writer, list []entry, when time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, e := range list {
		h := &tar.Header{Name: e.name, Mode: int64(e.mode), Size: e.size, ModTime: when, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if err := e.copyTo(t); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func writeZip(w io.Writer, list []entry, when time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range list {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: when}
		h.SetMode(e.mode)
		if strings.HasSuffix(e.name, "/") {
			h.Method = zip.Store
			h.SetMode(e.mode | fs.ModeDir)
		}
		part, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if err := e.copyTo(part); err != nil {
			return err
		}
	}
	return z.Close()
}

func (e entry) copyTo(w io.Writer) error {
	if strings.HasSuffix(e.name, "/") {
		return nil
	}
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// compress makes path.gz, without name and time in its header, and removes path.
func compress(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	defer f.Close()
	err = create(path+".gz", func(w io.Writer) error {
		z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, f); err != nil {
			return err
		}
		return z.Close()
	})
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// create writes a file that must not exist yet, and leaves none behind on error.
func create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err = write(f); err == nil {
		err = f.Close()
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
