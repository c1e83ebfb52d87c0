package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// grpcGo is google.golang.org/grpc as it comes, over TLS 1.3 with the same
// certificates: messages are google.protobuf.BytesValue, and the service description
// is what protoc would generate.
var grpcGo = rpc{"grpc", serveGRPC, dialGRPC}

const (
	grpcEcho  = "/bench.Echo/Echo"
	grpcItems = "/bench.Echo/Items"
)

var grpcService = grpc.ServiceDesc{
	ServiceName: "bench.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.BytesValue)
		return in, decode(in)
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Items", ServerStreams: true, Handler: sendGRPCItems}},
}

// sendGRPCItems sends the number of items in the high half of the request, or one and
// waits if that is 0. Their size is in the low half.
func sendGRPCItems(_ any, stream grpc.ServerStream) error {
	in := new(wrapperspb.UInt64Value)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	n, item := int(in.Value>>32), []byte(text(int(uint32(in.Value))))
	for range max(1, n) {
		if err := stream.SendMsg(&wrapperspb.BytesValue{Value: item}); err != nil {
			return err
		}
	}
	if n == 0 {
		<-stream.Context().Done()
	}
	return nil
}

func serveGRPC(listen string) (string, func(), error) {
	cert, _ := identity(1)
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, err
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert,
	})))
	s.RegisterService(&grpcService, nil)
	go s.Serve(ln)
	return ln.Addr().String(), s.Stop, nil
}

func dialGRPC(addr string) (rpcClient, error) {
	settings := clientTLS()
	settings.NextProtos = nil
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(credentials.NewTLS(settings)))
	if err != nil {
		return rpcClient{}, err
	}
	return rpcClient{
		echo: func(data string) error {
			out := new(wrapperspb.BytesValue)
			if err := conn.Invoke(context.Background(), grpcEcho, &wrapperspb.BytesValue{Value: []byte(data)}, out); err != nil {
				return err
			}
			return sameLength(len(out.Value), len(data))
		},
		items: func(n, size int) error { return takeGRPCItems(conn, n, size) },
		hold:  func() (<-chan error, func()) { return holdGRPC(conn) },
		close: func() { conn.Close() },
	}, nil
}

func openGRPCItems(ctx context.Context, conn *grpc.ClientConn, n, size int) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &grpcService.Streams[0], grpcItems)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(wrapperspb.UInt64(uint64(n)<<32 | uint64(size))); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}

func takeGRPCItems(conn *grpc.ClientConn, n, size int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := openGRPCItems(ctx, conn, n, size)
	if err != nil {
		return err
	}
	for range n {
		out := new(wrapperspb.BytesValue)
		if err := stream.RecvMsg(out); err != nil {
			return err
		}
		if err := sameLength(len(out.Value), size); err != nil {
			return err
		}
	}
	return nil
}

func holdGRPC(conn *grpc.ClientConn) (<-chan error, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		stream, err := openGRPCItems(ctx, conn, 0, 1)
		out := new(wrapperspb.BytesValue)
		if err == nil {
			err = stream.RecvMsg(out)
		}
		ready <- err
		if err == nil {
			stream.RecvMsg(out)
		}
	}()
	return ready, func() { cancel(); <-done }
}

func sameLength(got, want int) error {
	if got != want {
		return fmt.Errorf("answer of %d bytes, want %d", got, want)
	}
	return nil
}
