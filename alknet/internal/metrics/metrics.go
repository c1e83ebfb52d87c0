// Package metrics counts what a node does and writes it in the Prometheus text
// format (version 0.0.4). It knows a dozen numbers and none of them tells where
// anybody's traffic goes.
//
// It is not the Prometheus client library, because that costs every command of
// this program half a millisecond of start-up: docs/decisions.
package metrics

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Registry holds counters and gauges. Its methods may be called concurrently.
type Registry struct {
	mu       sync.Mutex
	families map[string]*family
}

type family struct {
	kind, help string
	values     map[string]float64 // by label text
}

// New returns an empty registry.
func New() *Registry { return &Registry{families: map[string]*family{}} }

// maxSeries bounds a family; labels come from small sets, and a fault that
// makes them grow must not eat the memory.
const maxSeries = 1024

// Add adds to a counter. labels are name and value in turn.
func (r *Registry) Add(name, help string, v float64, labels ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.family("counter", name, help)
	key := labelText(labels)
	if _, known := f.values[key]; known || len(f.values) < maxSeries {
		f.values[key] += v
	}
}

// Gauge adds to a gauge, or takes away with a negative v.
func (r *Registry) Gauge(name, help string, v float64, labels ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.family("gauge", name, help)
	key := labelText(labels)
	if _, known := f.values[key]; known || len(f.values) < maxSeries {
		f.values[key] += v
	}
}

func (r *Registry) family(kind, name, help string) *family {
	f := r.families[name]
	if f == nil {
		f = &family{kind: kind, help: help, values: map[string]float64{}}
		r.families[name] = f
	}
	return f
}

func labelText(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(labels[i])
		b.WriteString(`="`)
		b.WriteString(labelEscaper.Replace(labels[i+1]))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// ServeHTTP writes all families in order of name.
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer out.Flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.families)) {
		f := r.families[name]
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, f.help, name, f.kind)
		for _, labels := range slices.Sorted(maps.Keys(f.values)) {
			fmt.Fprintf(out, "%s%s %g\n", name, labels, f.values[labels])
		}
	}
}
