package quicconn_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func transport(t testing.TB) *quic.Transport {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tr := &quic.Transport{Conn: udp}
	t.Cleanup(func() { tr.Close(); udp.Close() })
	return tr
}

// rawPair is a client and a server over loopback.
func rawPair(t testing.TB, alpn string, dial *quic.Config) (client, server *quic.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tr := transport(t)
	ln, err := tr.Listen(&tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{alpn}}, quicconn.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	client, err = transport(t).Dial(ctx, tr.Conn.LocalAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}}, dial)
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.CloseWithError(0, ""); server.CloseWithError(0, "") })
	return client, server
}

func pair(t testing.TB) (client, server core.Connection) {
	t.Helper()
	c, s := rawPair(t, "alknet/test", quicconn.DialConfig())
	return quicconn.Dialed(c), quicconn.Accepted(s)
}

// streams is one stream from both ends, after one byte went across.
func streams(t testing.TB, client, server core.Connection) (out, in core.Stream) {
	t.Helper()
	out, err := client.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	in, err = server.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return out, in
}

func TestConnectionDescribesItself(t *testing.T) {
	client, server := pair(t)
	if client.ALPN() != "alknet/test" || server.ALPN() != "alknet/test" {
		t.Errorf("ALPN: got %q and %q", client.ALPN(), server.ALPN())
	}
	if got := client.TLS().Version; got != tls.VersionTLS13 {
		t.Errorf("TLS version: got %#x", got)
	}
	if client.RemoteAddr().String() != server.LocalAddr().String() {
		t.Errorf("addresses: %v and %v", client.RemoteAddr(), server.LocalAddr())
	}
	if _, ok := server.Raw().(*quic.Conn); !ok {
		t.Errorf("Raw: got %T", server.Raw())
	}
}

func TestHalfClose(t *testing.T) {
	out, in := streams2(t)
	data := bytes.Repeat([]byte("half close "), 10_000)
	go func() {
		out.Write(data)
		out.CloseWrite()
	}()
	got, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("got %d bytes and %v, want %d", len(got), err, len(data))
	}
	if _, err := in.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if got, err := io.ReadAll(out); err != nil || string(got) != "answer" {
		t.Fatalf("got %q, %v", got, err)
	}
	var se *core.StreamError
	if _, err := out.Write([]byte("late")); !errors.As(err, &se) || se.Remote {
		t.Errorf("write after CloseWrite: got %v", err)
	}
	for range 2 {
		if err := out.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func streams2(t testing.TB) (out, in core.Stream) {
	t.Helper()
	client, server := pair(t)
	return streams(t, client, server)
}

func TestCancelCarriesCodes(t *testing.T) {
	out, in := streams2(t)
	out.CancelWrite(core.CodeForbidden)
	wantStreamError(t, "reader", readErr(in), core.CodeForbidden, true)
	_, err := out.Write([]byte("x"))
	wantStreamError(t, "writer", err, core.CodeForbidden, false)

	out, in = streams2(t)
	in.CancelRead(1<<63 + 7) // above what QUIC can say
	wantStreamError(t, "own reader", readErr(in), 1<<62-1, false)
	_, err = io.Copy(out, endless{})
	wantStreamError(t, "peer's writer", err, 1<<62-1, true)
	wantStreamError(t, "peer's CloseWrite", out.CloseWrite(), 1<<62-1, true)
}

func TestCloseWriteAfterPeerClosedQuietly(t *testing.T) {
	out, in := streams2(t)
	in.CancelRead(core.CodeNone)
	if _, err := io.Copy(out, endless{}); err == nil {
		t.Fatal("write went on")
	}
	if err := out.CloseWrite(); err != nil {
		t.Errorf("CloseWrite: %v", err)
	}
}

func TestCancelWriteAfterCloseWriteDoesNothing(t *testing.T) {
	out, in := streams2(t)
	out.Write(make([]byte, 100_000))
	out.CloseWrite()
	out.CancelWrite(core.CodeInternal)
	if got, err := io.ReadAll(in); err != nil || len(got) != 100_000 {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func readErr(s core.Stream) error {
	_, err := io.Copy(io.Discard, s)
	return err
}

func wantStreamError(t *testing.T, who string, err error, code uint64, remote bool) {
	t.Helper()
	var se *core.StreamError
	if !errors.As(err, &se) || se.Code != code || se.Remote != remote {
		t.Errorf("%s: got %v, want code %#x, remote %v", who, err, code, remote)
	}
}

func TestExpiredWriteDeadlineEndsTheStream(t *testing.T) {
	out, in := streams2(t)
	out.SetWriteDeadline(time.Unix(1, 0))
	if _, err := out.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: got %v", err)
	}
	out.SetWriteDeadline(time.Time{})
	_, err := out.Write([]byte("x"))
	wantStreamError(t, "second write", err, core.CodeTimeout, false)
	wantStreamError(t, "reader", readErr(in), core.CodeTimeout, true)
}

func TestExpiredReadDeadlineLeavesTheStream(t *testing.T) {
	out, in := streams2(t)
	in.SetReadDeadline(time.Unix(1, 0))
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read: got %v", err)
	}
	in.SetReadDeadline(time.Time{})
	out.Write([]byte("x"))
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// blockedWrite starts a Write that is larger than any window.
func blockedWrite(t *testing.T, out core.Stream) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := out.Write(make([]byte, 4*quicconn.MaxConnectionWindow))
		done <- err
	}()
	return done
}

func TestCloseBesideBlockedWriteAndRead(t *testing.T) {
	out, in := streams2(t)
	written := blockedWrite(t, out)
	read := make(chan error, 1)
	go func() { read <- readErr(out) }()
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	out.Close()
	wantStreamError(t, "write", <-written, core.CodeNone, false)
	wantStreamError(t, "read", <-read, core.CodeNone, false)
	wantStreamError(t, "peer", readErr(in), core.CodeNone, true)
}

func TestCloseWriteBesideWriteKeepsItsData(t *testing.T) {
	out, in := streams2(t)
	written := make(chan error, 1)
	data := make([]byte, 4<<20)
	go func() { _, err := out.Write(data); written <- err }()
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := out.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(in)
	if err != nil || len(rest)+1 != len(data) {
		t.Fatalf("got %d bytes, %v", len(rest)+1, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestEndOfConnectionFreesBlockedWriteAfterCloseWrite(t *testing.T) {
	client, server := pair(t)
	out, in := streams(t, client, server)
	written := blockedWrite(t, out)
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	out.CloseWrite()
	server.Close(core.CodeShutdown, "the node stops")
	var ce *core.CloseError
	if err := <-written; !errors.As(err, &ce) || ce.Code != core.CodeShutdown || !ce.Remote {
		t.Errorf("write: got %v", err)
	}
}

func TestCloseCarriesCodeAndReason(t *testing.T) {
	client, server := pair(t)
	out, _ := streams(t, client, server)
	if err := server.Close(core.CodeForbidden, strings.Repeat("é", 5000)); err != nil {
		t.Fatal(err)
	}
	server.Close(core.CodeNone, "again")
	var ce *core.CloseError
	err := readErr(out)
	if !errors.As(err, &ce) || ce.Code != core.CodeForbidden || !ce.Remote || len(ce.Reason) != 512 {
		t.Errorf("peer: got %#v", ce)
	}
	if !errors.Is(err, core.ErrConnectionClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("peer: %v is not the end of a connection", err)
	}
	_, err = server.AcceptStream(t.Context())
	if !errors.As(err, &ce) || ce.Code != core.CodeForbidden || ce.Remote {
		t.Errorf("closer: got %v", err)
	}
	if _, err := client.OpenStream(t.Context()); !errors.Is(err, core.ErrConnectionClosed) {
		t.Errorf("OpenStream: got %v", err)
	}
	<-client.Context().Done()
}

func TestCodeBeyondQUICIsClipped(t *testing.T) {
	client, server := pair(t)
	server.Close(1<<64-1, "")
	<-client.Context().Done()
	var ce *core.CloseError
	if _, err := client.AcceptStream(t.Context()); !errors.As(err, &ce) || ce.Code != 1<<62-1 {
		t.Errorf("got %v", err)
	}
}

func TestContextErrorPasses(t *testing.T) {
	client, server := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := server.AcceptStream(ctx); err != context.Canceled {
		t.Errorf("AcceptStream: got %v", err)
	}
	if _, err := client.OpenStream(ctx); err != context.Canceled {
		t.Errorf("OpenStream: got %v", err)
	}
}

func TestUniStreamIsRefused(t *testing.T) {
	for _, test := range []struct {
		alpn string
		code uint64 // 0 = allowed
	}{
		{"alknet/ssh", core.CodeProtocol},
		{"example.org/echo", core.CodeProtocol},
		{"doq", 0x2},
		{"h3", 0},
	} {
		t.Run(test.alpn, func(t *testing.T) {
			client, srv := rawPair(t, test.alpn, quicconn.Config())
			server := quicconn.Accepted(srv)
			uni, err := client.OpenUniStreamSync(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := uni.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if test.code == 0 {
				if _, err := srv.AcceptUniStream(t.Context()); err != nil {
					t.Fatal(err)
				}
				return
			}
			<-server.Context().Done()
			<-client.Context().Done()
			var app *quic.ApplicationError
			if err := context.Cause(client.Context()); !errors.As(err, &app) || uint64(app.ErrorCode) != test.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDiallerAdmitsNoUniStream(t *testing.T) {
	_, server := rawPair(t, "alknet/ssh", quicconn.DialConfig())
	var limit *quic.StreamLimitReachedError
	if _, err := server.OpenUniStream(); !errors.As(err, &limit) {
		t.Errorf("got %v", err)
	}
}

func TestDatagrams(t *testing.T) {
	client, server := pair(t)
	cd, ok1 := client.(core.DatagramConnection)
	sd, ok2 := server.(core.DatagramConnection)
	if !ok1 || !ok2 {
		t.Fatal("no datagrams though both sides allow them")
	}
	if err := cd.SendDatagram([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := sd.ReceiveDatagram(t.Context()); err != nil || string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := cd.SendDatagram(make([]byte, 1<<16)); err == nil || errors.Is(err, core.ErrConnectionClosed) {
		t.Errorf("oversized: got %v", err)
	}

	without := quicconn.DialConfig()
	without.EnableDatagrams = false
	_, srv := rawPair(t, "alknet/ssh", without)
	if _, ok := quicconn.Accepted(srv).(core.DatagramConnection); ok {
		t.Error("datagrams though one side does not allow them")
	}
}
