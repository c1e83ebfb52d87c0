package main

import (
	"os"
	"strings"
	"testing"
)

func TestLicenceOf(t *testing.T) {
	mit, err := os.ReadFile("LICENSE-MIT")
	if err != nil {
		t.Fatal(err)
	}
	apache, err := os.ReadFile("LICENSE-APACHE")
	if err != nil {
		t.Fatal(err)
	}
	const gpl = `This program is free software: you can redistribute it and/or modify it
under the terms of the GNU General Public License as published by the Free
Software Foundation, either version 3 of the License, or (at your option) any
later version.`
	tests := []struct {
		name  string
		texts []text
		want  string
		err   string
	}{
		{name: "one", texts: []text{{"LICENSE", string(mit)}}, want: "MIT"},
		{name: "two", texts: []text{{"LICENSE", string(mit)}, {"internal/x/COPYING", string(apache)}}, want: "Apache-2.0 AND MIT"},
		{name: "notice beside", texts: []text{{"LICENSE.md", string(mit)}, {"NOTICE", "by somebody"}}, want: "MIT"},
		{name: "none", err: "no licence file"},
		{name: "notice only", texts: []text{{"NOTICE", "by somebody"}}, err: "no licence file"},
		{name: "unknown", texts: []text{{"LICENSE", "Ask me before you use this, and I may say yes."}}, err: "known licence"},
		{name: "known with a rider", texts: []text{{"LICENSE", string(mit) + strings.Repeat(" It may not be used on Sundays by anybody.", 20)}}, err: "known licence"},
		{name: "copyleft", texts: []text{{"COPYING", gpl}}, err: "GPL-3.0-or-later is not among"},
		{name: "copyleft in a folder below", texts: []text{{"LICENSE", string(mit)}, {"sub/LICENSE", gpl}}, err: "sub/LICENSE: GPL-3.0-or-later"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := licenceOf(tt.texts)
			if got != tt.want || (err == nil) != (tt.err == "") {
				t.Fatalf("got %q, %v; want %q, %q", got, err, tt.want, tt.err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, want it to say %q", err, tt.err)
			}
		})
	}
}

func TestJudgeNamesAllOffenders(t *testing.T) {
	err := judge([]module{
		{path: "example.com/ours", own: true},
		{path: "example.com/one", version: "v1.0.0"},
		{path: "example.com/two", version: "v2.0.0", texts: []text{{"LICENSE", "All rights reserved."}}},
	})
	for _, want := range []string{"example.com/one v1.0.0", "example.com/two v2.0.0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}
