package alkhttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/go-chi/chi/v5"
)

// A web face with a public and a guarded route, reached over a connection in
// memory. A node registers it on its router instead.
func Example() {
	web := &alkhttp.Server{}
	web.Routes = func(r chi.Router) {
		r.Get("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello\n") })
		r.With(web.Require(auth.Do("http", "metrics"))).Get("/numbers", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, "for", alkhttp.IdentityFrom(r.Context()).Name)
		})
	}
	var router core.Router
	if err := router.Register(web); err != nil {
		fmt.Println(err)
		return
	}

	server, client := net.Pipe()
	served := make(chan error)
	go func() { served <- router.Dispatch(context.Background(), core.NewStreamConn(server, "http/1.1"), nil) }()

	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
	for _, path := range []string{"/hello", "/numbers"} {
		res, err := (&http.Client{Transport: tr}).Get("http://node" + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		fmt.Println(path, res.Status)
	}
	tr.CloseIdleConnections()
	fmt.Println(<-served)
	// Output:
	// /hello 200 OK
	// /numbers 404 Not Found
	// <nil>
}
