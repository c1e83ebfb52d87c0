// Package systemd is what a service says to the manager that started it, and
// what it gets of it: sd_notify(3), sd_listen_fds(3), and systemd.exec(5) on
// credentials. Other managers speak the same protocols, so nothing here asks
// whether systemd runs.
//
// Take reads the variables of the environment and removes them, so that what
// the service starts does not take itself for the service.
//
// github.com/coreos/go-systemd is not used: its calls read the environment each
// time, and can therefore not be used once the variables are gone.
package systemd
