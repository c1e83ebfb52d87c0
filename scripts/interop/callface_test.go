//go:build unix

package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"iter"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/tlsconf"
	alkhttp "github.com/alkdev/alknet/http"
	"github.com/go-chi/chi/v5"
)

// callFace is a node in this process that serves alknet/call to the web.
type callFace struct {
	addr        string
	certificate string // the file
	roots       *x509.CertPool
	tokens      map[string]string
	store       *config.Store

	mu      sync.Mutex // protects what follows
	running int        // of test/never, in all
	stopped int        // of test/never and test/flood
	changed chan struct{}
}

func serveCalls(t *testing.T, routes func(chi.Router)) *callFace {
	t.Helper()
	f := &callFace{tokens: map[string]string{}, changed: make(chan struct{})}
	var d config.Dynamic
	for _, name := range []string{"alice", "bob"} {
		secret, token, err := auth.NewToken(name)
		if err != nil {
			t.Fatal(err)
		}
		token.Scopes = []string{"call:test/**"}
		d.Tokens = append(d.Tokens, token)
		f.tokens[name] = secret.Reveal()
	}
	cert := f.makeCertificate(t)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if f.store, err = config.NewStore(auth.CertificateKey(leaf), d); err != nil {
		t.Fatal(err)
	}
	calls := &call.Server{Registry: f.operations(t), Identities: f.store}
	web := &alkhttp.Server{Identities: f.store, Call: calls, Routes: routes}
	var router core.Router
	for _, h := range []core.ProtocolHandler{calls, web} {
		if err := router.Register(h); err != nil {
			t.Fatal(err)
		}
	}
	e := &endpoint.Endpoint{
		Router: &router, Identities: f.store, Changed: f.store.Changed, DrainTimeout: 10 * time.Second,
		TLS: &tlsconf.Server{
			Node:         cert,
			Web:          &tlsconf.WebCertificates{Key: func(uint64) (crypto.Signer, error) { return cert.PrivateKey.(crypto.Signer), nil }},
			Certificates: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
		},
	}
	if err := e.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- e.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down: %v", err)
		}
		<-served
	})
	f.addr = e.Addrs()[0]
	return f
}

func (f *callFace) makeCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f.certificate = writeFile(t, filepath.Base(t.Name())+".pem", string(text))
	f.roots = x509.NewCertPool()
	f.roots.AppendCertsFromPEM(text)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (f *callFace) options(t *testing.T) string {
	b, err := json.Marshal(map[string]any{"url": "wss://" + f.addr + "/alknet/call", "tokens": f.tokens})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantUnauthorized asks for upgrades that scripts see only fail.
func (f *callFace) wantUnauthorized(t *testing.T) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.roots}}
	defer tr.CloseIdleConnections()
	for _, protocols := range []string{"alknet.call", "alknet.call, alknet.bearer.alk_wrongwrongwrongwrongwrong"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+f.addr+"/alknet/call", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {protocols}}
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 401 {
			t.Errorf("%s: %s, want 401", protocols, res.Status)
		}
	}
}

type sum struct {
	Sum int `json:"sum"`
}

type terms struct {
	A int `json:"a"`
	B int `json:"b"`
}

type many struct {
	N    int `json:"n,omitempty"`
	Size int `json:"size,omitempty"`
}

type back struct {
	Operation string `json:"operation"`
	Input     any    `json:"input,omitempty"`
}

func (f *callFace) operations(t *testing.T) *call.Registry {
	t.Helper()
	r := new(call.Registry)
	err := errors.Join(
		call.Query(r, "test/whoami", func(ctx context.Context, _ any) (string, error) {
			return call.RequestFrom(ctx).Identity.Name, nil
		}),
		call.Query(r, "test/add", func(_ context.Context, in terms) (sum, error) { return sum{in.A + in.B}, nil }),
		call.Query(r, "test/echo", func(_ context.Context, in any) (any, error) { return in, nil }),
		call.Query(r, "secret/op", func(context.Context, any) (any, error) { return nil, nil }),
		call.Query(r, "test/never", func(ctx context.Context, _ any) (any, error) {
			f.note(&f.running)
			defer f.note(&f.stopped)
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		call.Query(r, "test/running", func(ctx context.Context, in many) (int, error) { return f.wait(ctx, &f.running, in.N+1) }),
		call.Query(r, "test/stopped", func(ctx context.Context, in many) (int, error) { return f.wait(ctx, &f.stopped, in.N) }),
		call.Subscription(r, "test/count", func(_ context.Context, in many) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := range in.N {
					if !yield(i+1, nil) {
						return
					}
				}
			}
		}),
		call.Subscription(r, "test/flood", func(_ context.Context, in many) iter.Seq2[map[string]string, error] {
			return func(yield func(map[string]string, error) bool) {
				defer f.note(&f.stopped)
				for pad := strings.Repeat("x", in.Size); yield(map[string]string{"pad": pad}, nil); {
				}
			}
		}),
		call.Mutation(r, "test/revoke", func(ctx context.Context, _ any) (any, error) {
			name := call.RequestFrom(ctx).Identity.Name
			context.AfterFunc(ctx, func() { // after the answer
				if err := f.revoke(name); err != nil {
					t.Error(err)
				}
			})
			return nil, nil
		}),
		f.registerCallbacks(r),
	)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// registerCallbacks adds operations that call whoever calls them.
func (f *callFace) registerCallbacks(r *call.Registry) error {
	return errors.Join(
		call.Mutation(r, "test/callback", func(ctx context.Context, in back) (any, error) {
			out, err := call.Call[any](ctx, call.RequestFrom(ctx).Client, in.Operation, in.Input)
			if err != nil {
				return call.CodeOf(err), nil
			}
			return out, nil
		}),
		call.Mutation(r, "test/collect", func(ctx context.Context, in back) ([]any, error) {
			var all []any
			for item, err := range call.Subscribe[any](ctx, call.RequestFrom(ctx).Client, in.Operation, in.Input) {
				if err != nil {
					return nil, err
				}
				all = append(all, item)
			}
			return all, nil
		}),
		call.Mutation(r, "test/abandon", func(ctx context.Context, in back) (any, error) {
			limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			_, err := call.Call[any](limited, call.RequestFrom(ctx).Client, in.Operation, in.Input)
			return call.CodeOf(err), nil
		}),
	)
}

func (f *callFace) revoke(name string) error {
	return f.store.Update(func(d *config.Dynamic) error {
		for i, token := range d.Tokens {
			if token.Name == name {
				d.Tokens = append(d.Tokens[:i], d.Tokens[i+1:]...)
				return nil
			}
		}
		return errors.New("no such token")
	})
}

func (f *callFace) note(count *int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*count++
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait returns as soon as the count has reached n.
func (f *callFace) wait(ctx context.Context, count *int, n int) (int, error) {
	for {
		f.mu.Lock()
		reached, changed := *count, f.changed
		f.mu.Unlock()
		if reached >= n {
			return reached, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
