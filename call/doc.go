// Package call is RPC in which either end of an open connection calls the
// other: the ALPN "alknet/call". A node lists its operations with their
// schemas to whoever may call them, so that a program, a browser or an agent
// finds out by itself what there is.
//
// An operation is a Go function under a name. Its schemas are derived from its
// types, and what does not match them never reaches it:
//
//	type AddInput struct {
//		A int `json:"a"`
//		B int `json:"b"`
//	}
//	type AddOutput struct {
//		Sum int `json:"sum"`
//	}
//
//	var reg call.Registry
//	err := call.Query(&reg, "math/add", func(ctx context.Context, in AddInput) (AddOutput, error) {
//		return AddOutput{in.A + in.B}, nil
//	})
//	server := &call.Server{Registry: &reg, Identities: store}
//	err = router.Register(server)
//
// The other end needs a connection, of any transport:
//
//	client := call.NewClient(conn)
//	defer client.Close()
//	out, err := call.Call[AddOutput](ctx, client, "math/add", AddInput{2, 3})
//
// # Both directions
//
// Who dialled does not decide who calls. [WithServer] lets the other end call
// back; a handler finds the connection that its call came in on in
// [Request.Client].
//
// # Cancellation
//
// A context is an abort: when that of a call ends, the handler's context ends,
// with all calls that the handler has made, here and through imports on other
// nodes. So do a lost stream, a lost connection and a deadline.
//
// # What is where
//
//   - [Registry], [Operation], [Query], [Mutation], [Subscription]: what a node offers.
//   - [Server]: answers, on accepted and dialled connections and in process.
//   - [Client], [Call], [Subscribe], [Batch]: asks.
//   - [Link], [Peers], [Import]: a connection that is kept up, what peers
//     offer, and passing that on under rules of one's own.
//   - [EnvFrom]: what a handler may call in turn, under an authority of its own.
//   - [Capabilities]: secrets for handlers that no formatting gives away.
//
// # Security posture
//
// An operation that says nothing else asks for the scope "call:" + its name.
// Access is decided before input is judged and before a handler or a secret is
// touched. Internal operations look like missing ones. A token that does not
// resolve makes a request anonymous; it does not fall back on the connection's
// rights. What a caller says about whom it acts for grants nothing. Imported
// operations are Internal until a rule exposes them under a scope.
//
// # Limits
//
// A call has one input; there is no stream of inputs. Sizes, counts and times
// are bounded by [Limits]. The wire protocol is docs/wire/call.md.
package call
