// Package coretest lets the author of a handler test it without a network, and
// the author of a transport prove that it keeps the contract of package core.
//
//	client, server := coretest.Pair("example.org/echo")
//	go router.Dispatch(ctx, server, coretest.Auth(t, server, "alice", "echo:use"))
//	stream, err := client.OpenStream(ctx)
//
// # Connections in memory
//
// [Pair] is a connection of many streams, as QUIC. [StreamPair] is one of a
// single stream, as TLS over TCP. Test a handler over both. They keep the
// contract down to flow control, codes and deadlines, and work inside the
// bubbles of testing/synctest: nothing in them waits for real time or blocks
// otherwise than on channels and conditions.
//
// They lose nothing, reorder nothing and have no delay. What depends on that
// needs a real transport.
//
// # Conformance
//
// [TestConnection] is the contract of core.Connection and core.Stream as a
// suite that every transport runs in three lines. [TestHandler] is what every
// handler owes its node.
package coretest
