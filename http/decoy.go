package alkhttp

import (
	"net/http"
	"strconv"
)

// decoy answers as if the path did not exist. The answer depends on nothing
// but the method, whatever was asked for and by whom.
func (s *Server) decoy(w http.ResponseWriter, r *http.Request) {
	if s.Decoy != nil {
		s.Decoy.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Server", "nginx")
	serveError(w, http.StatusNotFound)
}

// serveError writes an error page in the manner of a stock nginx. It says
// nothing about the node, and no more than the status about the error.
func serveError(w http.ResponseWriter, status int) {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	page := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page))
}
