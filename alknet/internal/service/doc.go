// Package service makes the node a service of the machine, or of the person who
// asks: of systemd, launchd or the service control manager of Windows.
//
// What it is going to do is a Plan of files and commands, which can be shown
// instead of run. Files carry a mark; a file without it, or one that says
// something else, is somebody else's and stays as it is.
//
// The units of systemd are in the folder systemd, for packages to ship the very
// same; each of their settings says why it is there.
package service
