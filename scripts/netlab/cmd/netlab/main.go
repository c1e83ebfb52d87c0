// Netlab runs a command in a network that misbehaves as a file says.
//
//	netlab run [-seed N] [-pcap DIR] [-in HOST] [-stats] FILE -- COMMAND [ARG...]
//	netlab show FILE
//
// Package topology describes the file. The command runs in the first host of the
// file unless -in names another, and finds the hosts by their names. The exit
// code is that of the command, 128 and the number of the signal that ended it,
// 1 where the lab failed, or 2 for bad usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/topology"
)

const usage = `usage:
  netlab run [-seed N] [-pcap DIR] [-in HOST] [-stats] FILE -- COMMAND [ARG...]
  netlab show FILE
`

// usageError is a fault of the caller, which ends with exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(start(os.Args[1:], os.Stdout, os.Stderr)) }

// start parses the arguments and returns the exit code.
func start(args []string, stdout, stderr io.Writer) int {
	code, err := dispatch(args, stdout, stderr)
	if err == nil {
		return code
	}
	fmt.Fprintf(stderr, "netlab: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

func dispatch(args []string, stdout, stderr io.Writer) (int, error) {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2, nil
	}
	switch args[0] {
	case "run":
		j, err := parseRun(args[1:])
		if err != nil {
			return 0, helpOr(err, stdout)
		}
		if code, ran := netlab.Rerun(); ran {
			return code, nil
		}
		return j.run(stdout, stderr)
	case "show":
		if len(args) != 2 {
			return 0, usageError{errors.New("show: want one file")}
		}
		t, err := read(args[1])
		if err != nil {
			return 0, err
		}
		fmt.Fprint(stdout, t)
		return 0, nil
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0, nil
	}
	return 0, usageError{fmt.Errorf("unknown command %q: want run or show", args[0])}
}

func helpOr(err error, stdout io.Writer) error {
	if !errors.Is(err, flag.ErrHelp) {
		return err
	}
	fmt.Fprint(stdout, usage)
	return nil
}

// job is what "netlab run" is to do.
type job struct {
	topology *topology.Topology
	host     string
	pcap     string
	stats    bool
	command  []string
}

func parseRun(args []string) (*job, error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	seed := flags.Uint64("seed", 0, "")
	pcap := flags.String("pcap", "", "")
	host := flags.String("in", "", "")
	stats := flags.Bool("stats", false, "")
	if err := flags.Parse(args); err != nil {
		return nil, usageError{fmt.Errorf("run: %w", err)}
	}
	rest := flags.Args()
	switch {
	case len(rest) == 0:
		return nil, usageError{errors.New("run: no topology file")}
	case len(rest) == 1 || rest[1] != "--":
		return nil, usageError{fmt.Errorf("run: want -- and a command after %s", rest[0])}
	case len(rest) == 2:
		return nil, usageError{errors.New("run: no command after --")}
	}
	t, err := read(rest[0])
	if err != nil {
		return nil, err
	}
	if *seed != 0 {
		t.Seed = *seed
	}
	return &job{topology: t, host: *host, pcap: *pcap, stats: *stats, command: rest[2:]}, nil
}

func read(name string) (*topology.Topology, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	t, err := topology.Read(f)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", name, err)}
	}
	return t, nil
}
