package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const usage = `usage:
  packaging archive DIR FILE       pack DIR as FILE, a .tar.gz or .zip
  packaging compress FILE...       replace each FILE by FILE.gz
  packaging notices BINARY FILE    write the licence texts of all that BINARY links;
                                   fails if a licence is unknown or not permissive
  packaging sbom VERSION COMMIT FILE ARTIFACT=BINARY...
                                   describe the artifacts as SPDX 2.3
  packaging sums DIR               write DIR/SHA256SUMS`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "packaging: "+err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	name, args := args[0], args[1:]
	switch {
	case name == "archive" && len(args) == 2:
		when, err := epoch()
		if err != nil {
			return err
		}
		return archive(args[0], args[1], when)
	case name == "compress" && len(args) > 0:
		for _, path := range args {
			if err := compress(path); err != nil {
				return err
			}
		}
		return nil
	case name == "notices" && len(args) == 2:
		return writeNotices(args[0], args[1])
	case name == "sbom" && len(args) > 3:
		when, err := epoch()
		if err != nil {
			return err
		}
		r := release{version: args[0], commit: args[1], when: when}
		for _, pair := range args[3:] {
			file, binary, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("read %q: want ARTIFACT=BINARY", pair)
			}
			if err := r.add(file, binary); err != nil {
				return err
			}
		}
		return r.write(args[2])
	case name == "sums" && len(args) == 1:
		return writeSums(args[0])
	}
	return errors.New(usage)
}

// epoch is the time that everything in a release carries.
func epoch() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read SOURCE_DATE_EPOCH %q: want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
