package alkhttp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	alkhttp "github.com/alkdev/alknet/http"
)

func TestStatusPageIsSelfContained(t *testing.T) {
	n := start(t, &alkhttp.Server{Status: status})
	got := n.do(n.client("h2"), "GET", "/", nil, nil)
	if m := regexp.MustCompile(`(?i)(https?:|//|<script|<form|<iframe|@import|\son\w+=|style=)`).FindString(got.body); m != "" {
		t.Errorf("the page holds %q", m)
	}
	for _, m := range regexp.MustCompile(`(?i)(?:src|href)="([^"]*)"|url\(([^)]*)\)`).FindAllStringSubmatch(got.body, -1) {
		if !strings.HasPrefix(m[1]+m[2], "data:") {
			t.Errorf("the page refers to %q", m[0])
		}
	}
	policy := got.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
}

// A browser that honours the policy shows the style only if its hash is right.
func TestStatusStyleMatchesItsPolicy(t *testing.T) {
	n := start(t, &alkhttp.Server{Status: status})
	got := n.do(n.client("h2"), "GET", "/", nil, nil)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(got.body)
	if style == nil || !strings.Contains(got.header.Get("Content-Security-Policy"), "'sha256-"+sha256Text(style[1])+"'") {
		t.Errorf("policy %q does not fit the style", got.header.Get("Content-Security-Policy"))
	}
}

func sha256Text(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}
