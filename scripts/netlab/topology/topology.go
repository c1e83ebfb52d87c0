package topology

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/alkdev/alknet/scripts/netlab/link"
	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// Topology is what a file describes. [Read] makes a valid one.
type Topology struct {
	Seed     uint64    `toml:"seed"` // 0: a random one
	MTU      int       `toml:"mtu"`  // 0: 1500
	Networks []Network `toml:"network"`
	NATs     []NAT     `toml:"nat"`
	Hosts    []Host    `toml:"host"`
	Events   []Event   `toml:"at"` // in the order of time
}

// Network is a table [[network]].
type Network struct {
	Name     string         `toml:"name"`
	Prefixes []netip.Prefix `toml:"prefixes"` // at most one a family; none: defaults
	Only     string         `toml:"only"`     // "ipv4", "ipv6" or empty for both
	PMTUD    bool           `toml:"pmtud"`
}

// NAT is a table [[nat]]: a router and the network behind it, which has its name.
type NAT struct {
	Name       string         `toml:"name"`
	In         string         `toml:"in"` // the network outside
	Kind       nat.Kind       `toml:"kind"`
	Hairpin    bool           `toml:"hairpin"`
	UDPTimeout Duration       `toml:"udp_timeout"`
	TCPTimeout Duration       `toml:"tcp_timeout"`
	Prefix     netip.Prefix   `toml:"prefix"` // inside
	PMTUD      bool           `toml:"pmtud"`  // inside
	Up         *link.Settings `toml:"up"`
	Down       *link.Settings `toml:"down"`
	Both       *link.Settings `toml:"both"`
}

// Host is a table [[host]].
type Host struct {
	Name string         `toml:"name"`
	In   string         `toml:"in"` // a network, or the NAT before it
	Up   *link.Settings `toml:"up"`
	Down *link.Settings `toml:"down"`
	Both *link.Settings `toml:"both"`
	Run  []Program      `toml:"run"`
}

// Program is a table [[host.run]]: what a host runs in the background.
type Program struct {
	Command []string `toml:"command"`
	Ready   Pattern  `toml:"ready"` // matches the line that says that it serves; empty: do not wait
}

// Event is a table [[at]]: a change of one host or one NAT while the lab runs.
type Event struct {
	After  Duration       `toml:"after"`
	Host   string         `toml:"host"`
	NAT    string         `toml:"nat"`
	Move   string         `toml:"move"`   // of a host: the network
	Rebind bool           `toml:"rebind"` // of a NAT
	Up     *link.Settings `toml:"up"`     // replaces the whole shape
	Down   *link.Settings `toml:"down"`
	Both   *link.Settings `toml:"both"`
}

// Duration is a duration with a unit, as "90s" or "5m".
type Duration time.Duration

// UnmarshalText reads what [time.ParseDuration] does, if it is not negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q: want a duration with its unit, as \"90s\" or \"500ms\"", text)
	}
	*d = Duration(v)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }

// Pattern is a regular expression, or none.
type Pattern struct{ *regexp.Regexp }

// UnmarshalText reads the syntax of package regexp.
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		return nil
	}
	p.Regexp, err = regexp.Compile(string(text))
	return err
}

// MaxSize is the size in bytes of the largest file that [Read] takes.
const MaxSize = 1 << 20

// Read reads and checks a file. An unknown key is an error; errors of syntax and
// of keys name their line.
func Read(r io.Reader) (*Topology, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxSize)
	}
	var t Topology
	if err := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields().Decode(&t); err != nil {
		return nil, locate(err)
	}
	if err := t.validate(); err != nil {
		return nil, err
	}
	return &t, nil
}

// locate puts the line in front of an error of the decoder.
func locate(err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var errs []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			errs = append(errs, fmt.Errorf("line %d: unknown key %s", line, strings.Join(e.Key(), ".")))
		}
		return errors.Join(errs...)
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(e.Error(), "toml: "))
	}
	return err
}
