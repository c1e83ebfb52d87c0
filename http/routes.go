package alkhttp

import (
	"io"
	"net/http"
	"strings"

	"github.com/alkdev/alknet/core/auth"
	"github.com/go-chi/chi/v5"
)

func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(s.decoy)
	r.MethodNotAllowed(s.decoy)
	if s.Routes != nil {
		r.Group(s.Routes)
	}
	r.Handle("/healthz", readOnly(health))
	if s.Status != nil {
		r.Handle("/", readOnly(newStatusPage(s.Status)))
	}
	if s.WellKnown != nil {
		r.Handle("/.well-known/alknet", readOnly(s.wellKnown))
	}
	if s.Call != nil {
		r.HandleFunc(callPath, s.serveCall)
	}
	if s.Metrics != nil {
		r.With(s.Require(auth.Do("http", "metrics"))).Handle("/metrics", readOnly(s.Metrics.ServeHTTP))
	}
	return r
}

// readOnly answers the methods of RFC 9110, section 9, for something that can
// only be read.
func readOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			h(w, r)
		case http.MethodOptions:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			serveError(w, http.StatusMethodNotAllowed)
		}
	}
}

func health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

func (s *Server) wellKnown(w http.ResponseWriter, r *http.Request) {
	doc, err := s.WellKnown()
	if err != nil {
		if s.Logger != nil {
			s.Logger.Error("cannot make the well-known document", "error", err.Error())
		}
		s.decoy(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*") // public and signed: any page may check it
	_, _ = w.Write(doc)
}
