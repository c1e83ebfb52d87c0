// Package guides runs the guides in docs/guides: each command in them, on
// machines that have nothing but what the guide says, and compares what is
// printed with what the guide shows. docs/guides/README.md tells how a guide is
// written.
//
// A guide is Markdown. Parse takes its fenced blocks and the comments before
// them; Run plays them on a World of machines; compare holds the printed lines
// against the shown ones. The machines are network namespaces with a home
// directory each, so that two of them can listen on the same port and neither
// sees the other's files.
package guides
