package call_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
)

// A player is the client of a script.
type player struct {
	t        *testing.T
	conn     core.Connection
	single   bool
	line     int // of the step
	bindings bindings
	readers  sync.WaitGroup

	mu      sync.Mutex // protects what follows
	changed chan struct{}
	streams map[string]*playerStream
	unnamed []*playerStream // that the server opened
}

type playerStream struct {
	core.Stream
	paused   chan struct{} // closed while it is read; nil before the first pause
	frames   []any
	err      error // of reading; nil before the end
	expected bool  // the end was expected
	ours     bool
}

func newPlayer(t *testing.T, conn core.Connection, single bool) *player {
	p := &player{t: t, conn: conn, single: single, bindings: bindings{}, changed: make(chan struct{}), streams: map[string]*playerStream{}}
	p.readers.Go(func() {
		for {
			st, err := conn.AcceptStream(t.Context())
			if err != nil {
				return
			}
			s := &playerStream{Stream: st}
			p.readers.Go(func() { p.read(s) })
		}
	})
	return p
}

func (p *player) close() {
	p.conn.Close(core.CodeNone, "")
	p.mu.Lock()
	for _, s := range p.streams {
		if s.paused != nil && !isShut(s.paused) {
			close(s.paused)
		}
	}
	p.mu.Unlock()
	p.readers.Wait()
}

func isShut(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func (p *player) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("line %d: "+format, append([]any{p.line}, args...)...)
}

// alias maps all streams of a single-stream transport to one.
func (p *player) alias(name string) string {
	if p.single {
		return "c1"
	}
	return name
}

// open returns a stream of the client, which it opens if need be.
func (p *player) open(name string) *playerStream {
	p.t.Helper()
	name = p.alias(name)
	p.mu.Lock()
	s := p.streams[name]
	p.mu.Unlock()
	if s != nil {
		return s
	}
	if name[0] != 'c' {
		p.fatalf("the server has not opened %s", name)
	}
	st, err := p.conn.OpenStream(p.t.Context())
	if err != nil {
		p.fatalf("open %s: %v", name, err)
	}
	s = &playerStream{Stream: st, ours: true}
	p.mu.Lock()
	p.streams[name] = s
	p.mu.Unlock()
	p.readers.Go(func() { p.read(s) })
	return s
}

func frame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func (p *player) send(name string, data []byte) {
	p.t.Helper()
	if _, err := p.open(name).Write(data); err != nil {
		p.fatalf("write to %s: %v", name, err)
	}
}

func (p *player) read(s *playerStream) {
	for {
		p.mu.Lock()
		paused := s.paused
		p.mu.Unlock()
		if paused != nil {
			<-paused
		}
		value, err := readJSON(s)
		if err == nil && discovers(s, value) {
			continue
		}
		p.mu.Lock()
		if err == nil && !s.ours && !slices.Contains(p.unnamed, s) && !slices.Contains(slices.Collect(maps.Values(p.streams)), s) {
			p.unnamed = append(p.unnamed, s)
		}
		if err == nil {
			s.frames = append(s.frames, value)
		}
		s.err = err
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func readJSON(r io.Reader) (value any, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return parseJSON(string(body))
}

func parseJSON(text string) (value any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON text")
	}
	return value, nil
}

// discovers answers the server's own services/list.
func discovers(w io.Writer, value any) bool {
	e, _ := value.(map[string]any)
	payload, _ := e["payload"].(map[string]any)
	if e["type"] != "call.requested" || payload["operationId"] != "/services/list" {
		return false
	}
	id, err := json.Marshal(e["id"])
	if err != nil {
		return false
	}
	_, err = w.Write(frame(`{"type":"call.error","id":` + string(id) + `,"payload":{"code":"NOT_FOUND","message":"","retryable":false}}`))
	return err == nil
}

// await reports whether try, which is called with p.mu held, succeeds before
// nothing happens any more.
func (p *player) await(try func() bool) bool {
	patience := time.After(time.Second) // of the bubble's clock
	for {
		p.mu.Lock()
		ok, changed := try(), p.changed
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-patience:
			return false
		}
	}
}

// candidates are the streams that a name of a "<" step may stand for.
func (p *player) candidates(name string) []*playerStream {
	name = p.alias(name)
	switch s := p.streams[name]; {
	case s != nil:
		return []*playerStream{s}
	case name == "s*":
		all := slices.Clone(p.unnamed)
		for name, s := range p.streams {
			if name[0] == 's' {
				all = append(all, s)
			}
		}
		return all
	case name[0] == 's':
		return slices.Clone(p.unnamed)
	}
	return nil
}

// take removes a frame that matches the step: the next of its stream, or any if
// they are in no order.
func (p *player) take(s step, anyOrder bool) bool {
	pattern, err := parseJSON(s.text)
	if err != nil {
		p.t.Errorf("line %d: %v", s.line, err)
		return true
	}
	for _, st := range p.candidates(s.stream) {
		for i, f := range st.frames {
			bound := maps.Clone(p.bindings)
			if bound.match(pattern, f) {
				p.bindings = bound
				st.frames = slices.Delete(st.frames, i, i+1)
				if k := slices.Index(p.unnamed, st); k >= 0 && s.stream != "s*" {
					p.streams[s.stream] = st
					p.unnamed = slices.Delete(p.unnamed, k, k+1)
				}
				return true
			}
			if !anyOrder {
				break
			}
		}
	}
	return false
}

func (p *player) matches(s step) bool {
	return p.await(func() bool { return p.take(s, false) })
}

func (p *player) expect(s step) {
	p.t.Helper()
	if !p.matches(s) {
		p.fatalf("%s: want %s\n%s", s.stream, s.text, p.waiting())
	}
}

// expectAll takes the steps in the order in which their frames come; frames of
// one pattern are taken in that of the steps.
func (p *player) expectAll(steps []step) {
	p.t.Helper()
	for _, s := range steps {
		if !p.await(func() bool { return p.take(s, true) }) {
			p.fatalf("%s: want %s\n%s", s.stream, s.text, p.waiting())
		}
	}
}

func (p *player) expectEnd(name string) {
	p.t.Helper()
	s := p.open(name)
	if !p.await(func() bool { return s.err != nil }) || s.err != io.EOF || len(s.frames) > 0 {
		p.fatalf("%s ends with %v; want its end\n%s", name, s.err, p.waiting())
	}
	s.expected = true
}

func (p *player) expectCut(name string) {
	p.t.Helper()
	s := p.open(name)
	if !p.await(func() bool { return s.err != nil }) || s.err == io.EOF || len(s.frames) > 0 {
		p.fatalf("%s ends with %v; want it cut off\n%s", name, s.err, p.waiting())
	}
	var cut *core.StreamError
	if !p.single && (!errors.As(s.err, &cut) || cut.Code != core.CodeProtocol || !cut.Remote) {
		p.fatalf("%s ends with %v; want CodeProtocol", name, s.err)
	}
	s.expected = true
}

func (p *player) pause(name string, on bool) {
	s := p.open(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		s.paused = make(chan struct{})
	} else {
		close(s.paused)
	}
}

// quiet checks that everything has been expected.
func (p *player) quiet() {
	p.t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, s := range p.streams {
		if s.ours && s.err != nil && !s.expected {
			p.fatalf("%s has ended: %v", name, s.err)
		}
		if len(s.frames) > 0 {
			p.fatalf("%s: nobody expects %s", name, listFrames(s.frames))
		}
	}
	for _, s := range p.unnamed {
		if len(s.frames) > 0 {
			p.fatalf("a stream of the server: nobody expects %s", listFrames(s.frames))
		}
	}
}

// waiting shows the frames that nobody has taken.
func (p *player) waiting() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for name, s := range p.streams {
		b.WriteString("\t" + name + ": " + listFrames(s.frames) + "\n")
	}
	for _, s := range p.unnamed {
		b.WriteString("\tof the server: " + listFrames(s.frames) + "\n")
	}
	return b.String()
}

func listFrames(frames []any) string {
	var b bytes.Buffer
	for _, f := range frames {
		_ = json.NewEncoder(&b).Encode(f)
	}
	return strings.TrimSpace(b.String())
}
