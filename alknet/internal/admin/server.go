package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
)

// Listen makes the socket. The caller holds the data directory's lock, so a
// socket that is there already is a dead node's and is removed.
func Listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create administration socket: %w", err)
	}
	if _, err := checkPrivate(dir); err != nil {
		return nil, fmt.Errorf("create administration socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove stale administration socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("create administration socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("close administration socket to others: %w", err)
	}
	return &sameUser{l}, nil
}

// checkPrivate refuses a folder in which somebody else could put a socket, and
// returns the number of its owner: this process's own user. For root it may be
// anybody's, as that of a node with an account of its own is.
func checkPrivate(dir string) (owner uint32, err error) {
	if runtime.GOOS == "windows" {
		return 0, nil // the profile's folders are closed to others by their ACL
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return 0, err
	}
	owner, ok := ownerOf(fi)
	if self := os.Getuid(); !ok || !fi.IsDir() || fi.Mode().Perm()&0o077 != 0 || self != 0 && int(owner) != self {
		return 0, fmt.Errorf("%s must be a folder of this user with mode 0700", dir)
	}
	return owner, nil
}

// sameUser drops connections of other users, root aside.
type sameUser struct{ net.Listener }

func (l *sameUser) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peerAllowed(c, uint32(os.Getuid()), 0) {
			return c, nil
		}
		c.Close()
	}
}

// Serve answers until ctx ends; then it closes the socket and returns once
// the last answer is out.
func Serve(ctx context.Context, l net.Listener, b Backend, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           handler(b),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func handler(b Backend) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { reply(w, b.Status(), nil) })
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		res, err := b.Reload()
		reply(w, res, err)
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, nil)
		http.NewResponseController(w).Flush()
		b.Stop(r.URL.Query().Get("now") == "true")
	})
	mux.HandleFunc("POST /change", func(w http.ResponseWriter, r *http.Request) {
		var c peerbook.Change
		if err := decode(r, &c); err != nil {
			reply(w, nil, err)
			return
		}
		reply(w, struct{}{}, b.Change(c))
	})
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) {
		id, err := b.Identity()
		reply(w, id, err)
	})
	mux.HandleFunc("POST /sign", func(w http.ResponseWriter, r *http.Request) {
		var message []byte
		if err := decode(r, &message); err != nil {
			reply(w, nil, err)
			return
		}
		sig, err := b.Sign(message)
		reply(w, sig, err)
	})
	return mux
}

type failure struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		v = failure{err.Error()}
	}
	json.NewEncoder(w).Encode(v)
}

func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	return nil
}
