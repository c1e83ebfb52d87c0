package call_test

import (
	"bytes"
	"encoding/gob"
	stdjson "encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/alkdev/alknet/call"
)

const (
	planted = "hunter2-swordfish"
	service = "mail-service"
)

// A holder has secrets everywhere, in fields that reflection alone reaches too.
type holder struct {
	S       call.Secret
	P       *call.Secret
	M       map[string]call.Secret
	L       []call.Secret
	A       any
	C       call.Capabilities
	hidden  call.Secret
	hiddenP *call.Secret
	hiddenC call.Capabilities
}

func hold() holder {
	s := call.NewSecret([]byte(planted))
	c := call.NewCapabilities(map[string]call.Secret{service: s})
	return holder{s, &s, map[string]call.Secret{"k": s}, []call.Secret{s}, s, c, s, &s, c}
}

func leaks(text string) bool {
	lower := strings.ToLower(text)
	for _, form := range []string{
		planted, "hunter2", "swordfish", fmt.Sprintf("%x", planted), fmt.Sprintf("% x", planted),
		strings.Trim(fmt.Sprintf("%v", []byte(planted)), "[]"), strings.Trim(fmt.Sprintf("%o", []byte(planted)), "[]"), "aHVudGVyMi1zd29yZGZpc2g",
	} {
		if strings.Contains(lower, strings.ToLower(form)) {
			return true
		}
	}
	return false
}

func TestSecretLeaksUnderNoVerb(t *testing.T) {
	h := hold()
	request := &call.Request{ID: "1", Capabilities: h.C}
	operation := call.Operation{Spec: call.Spec{Name: "a/b"}, Capabilities: h.C}
	values := map[string]any{
		"secret": h.S, "pointer": h.P, "map": h.M, "slice": h.L, "array": [1]call.Secret{h.S}, "capabilities": h.C,
		"pointer to capabilities": &h.C, "struct": h, "pointer to struct": &h, "request": *request, "pointer to request": request,
		"operation": operation, "nested": map[string]any{"x": []any{&h, h}},
	}
	for name, v := range values {
		for verb := rune('A'); verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "30", ".50", "# "} {
				text := fmt.Sprintf("%"+flags+string(verb), v)
				if leaks(text) {
					t.Fatalf("%s under %%%s%c: %s", name, flags, verb, text)
				}
			}
		}
		if text := fmt.Sprint(v) + fmt.Sprintln(v) + fmt.Errorf("x: %v", v).Error(); leaks(text) {
			t.Errorf("%s printed: %s", name, text)
		}
	}
	for verb := rune('A'); verb <= 'z'; verb++ {
		if text := fmt.Sprintf("%"+string(verb)+" %+"+string(verb), h.C, request); strings.Contains(text, service) {
			t.Errorf("the service under %%%c: %s", verb, text)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q %x %d", h.S, h.S, h.S, h.S, h.S, h.S, h.S); got != strings.TrimSpace(strings.Repeat("[redacted] ", 7)) {
		t.Errorf("got %s", got)
	}
}

func TestSecretLeaksInNoEncoding(t *testing.T) {
	h := hold()
	open := struct {
		S call.Secret
		P *call.Secret
		M map[string]call.Secret
		C call.Capabilities
	}{h.S, h.P, h.M, h.C}
	encoders := map[string]func(any) ([]byte, error){
		"encoding/json": stdjson.Marshal,
		"json v2":       func(v any) ([]byte, error) { return json.Marshal(v) },
		"xml":           xml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var buf bytes.Buffer
			err := gob.NewEncoder(&buf).Encode(v)
			return buf.Bytes(), err
		},
	}
	for name, encode := range encoders {
		for _, v := range []any{h.S, h.P, h.C, h.M, open, &call.Request{Capabilities: h.C}} {
			raw, err := encode(v)
			if leaks(string(raw)) || err != nil && leaks(err.Error()) {
				t.Errorf("%s of %T: %s %v", name, v, raw, err)
			}
			if strings.Contains(name, "json") && err == nil && !strings.Contains(string(raw), "[redacted]") {
				t.Errorf("%s of %T: %s", name, v, raw)
			}
		}
	}
	if text, _ := h.S.MarshalText(); string(text) != "[redacted]" {
		t.Errorf("text: %s", text)
	}
	var buf bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		log := slog.New(handler)
		log.Info("x", "s", h.S, "p", h.P, "c", h.C, "h", h, "hp", &h, "m", h.M, "r", &call.Request{Capabilities: h.C})
	}
	if leaks(buf.String()) {
		t.Errorf("slog: %s", buf.String())
	}
}

func TestSecretIsCopiedInAndOut(t *testing.T) {
	original := []byte(planted)
	s := call.NewSecret(original)
	clear(original)
	out := s.Reveal()
	if string(out) != planted {
		t.Fatalf("revealed %q", out)
	}
	clear(out)
	if string(s.Reveal()) != planted {
		t.Error("changed through a copy")
	}
	clone := s
	s.Wipe()
	s.Wipe()
	if clone.Reveal() != nil {
		t.Error("a copy survives Wipe")
	}
	var zero call.Secret
	zero.Wipe()
	if zero.Reveal() != nil || zero.String() != "[redacted]" {
		t.Error("the zero Secret")
	}
}

func TestCapabilitiesDoNotChangeWithTheirMap(t *testing.T) {
	secrets := map[string]call.Secret{"mail": call.NewSecret([]byte("a"))}
	c := call.NewCapabilities(secrets)
	secrets["mail"] = call.NewSecret([]byte("b"))
	secrets["pay"] = call.NewSecret([]byte("c"))
	got, ok := c.Get("mail")
	if _, more := c.Get("pay"); !ok || more || string(got.Reveal()) != "a" {
		t.Error("changed")
	}
	if _, ok := (call.Capabilities{}).Get("mail"); ok {
		t.Error("the zero value has a secret")
	}
}
