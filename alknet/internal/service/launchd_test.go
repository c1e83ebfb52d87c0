//go:build unix

package service

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestLaunchd(t *testing.T) {
	m := newMachine(t, 501)
	l := launchd{m.Host}
	o := Options{Program: "/opt/a<b>&c/alknet", Data: "/Users/ann/My <Data> & more", Listen: []string{":443"}, Now: true}
	p, err := l.Install(o)
	if err != nil {
		t.Fatal(err)
	}
	text := p.Files[0].Content
	for dec := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
	}
	if got := plistData([]byte(text)); got != o.Data {
		t.Errorf("data %q", got)
	}
	for _, left := range []string{"ARGUMENTS", "OWNER", "LOGFILE", "UserName"} {
		if strings.Contains(text, left) {
			t.Errorf("%s is in the file of a person:\n%s", left, text)
		}
	}
	ran := m.run(p)
	if want := "launchctl bootstrap gui/501 /home/ann/Library/LaunchAgents/" + label + ".plist"; ran[len(ran)-1] != want {
		t.Errorf("ran %q", ran)
	}
	if p, err = l.Install(o); err != nil || slices.Contains(m.run(p), "launchctl bootout gui/501/"+label) {
		t.Errorf("the same again stopped it: %q, %v", m.ran, err)
	}

	m.show = ""
	st, err := l.Status(t.Context(), false)
	if err != nil || !st.Installed || st.Data != o.Data {
		t.Errorf("%+v, %v", st, err)
	}
	if p, err = l.Uninstall(t.Context(), false); err != nil || !slices.Contains(p.Notes, "the data stays in "+o.Data) {
		t.Errorf("%+v, %v", p, err)
	}
	m.run(p)
	if p, err = l.Uninstall(t.Context(), false); err != nil || !p.Empty() {
		t.Errorf("again: %+v, %v", p, err)
	}
	if st, err := l.Status(t.Context(), false); err != nil || st.Installed {
		t.Errorf("%+v, %v", st, err)
	}

	if p, err = l.Install(Options{System: true, Program: "/usr/local/bin/alknet"}); err != nil || !strings.Contains(p.Files[0].Content, "<string>_alknet</string>") || p.Files[0].Path != "/Library/LaunchDaemons/"+label+".plist" {
		t.Errorf("of the machine: %+v, %v", p, err)
	}
	if _, err := l.Install(Options{Socket: true}); err == nil {
		t.Error("sockets of launchd were promised")
	}
}
