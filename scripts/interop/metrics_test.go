//go:build unix

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What /metrics writes is read by the reference parser of the format, and only
// the holder of a token with the scope gets it.
func TestMetricsForPrometheus(t *testing.T) {
	curl := need(t, "curl")
	n := &node{dir: filepath.Join(t.TempDir(), "node")}
	n.alknet(t, "init").want(t, 0)
	if err := os.WriteFile(filepath.Join(n.dir, "config.toml"), []byte("[http]\nmetrics = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start(t, "127.0.0.1:0")
	url := "https://" + n.addr + "/metrics"
	ask := func(token string) outcome {
		return run(t, "", curl, "-sk", "-w", "\n%{http_code}", "-H", "Authorization: Bearer "+token, url)
	}
	good := strings.TrimSpace(n.alknet(t, "token", "new", "prometheus", "--scope", "http:metrics").want(t, 0).stdout)
	poor := strings.TrimSpace(n.alknet(t, "token", "new", "other").want(t, 0).stdout)
	for name, token := range map[string]string{"no scope": poor, "no token of ours": "alk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if out := ask(token).want(t, 0).stdout; !strings.HasSuffix(out, "\n404") {
			t.Errorf("%s: %s", name, out)
		}
	}
	body, code, _ := cutLast(ask(good).want(t, 0).stdout, "\n")
	if code != "200" {
		t.Fatalf("status %s: %s", code, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("not in the text format: %v\n%s", err, body)
	}
	served := families["alknet_connections_total"]
	if served == nil || len(served.GetMetric()) == 0 || served.GetMetric()[0].GetCounter().GetValue() < 1 {
		t.Errorf("no connection counted in\n%s", body)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
