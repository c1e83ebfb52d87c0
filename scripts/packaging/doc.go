// Command packaging does for scripts/release what a shell does clumsily:
// archives and compressed files that depend on nothing but their contents, the
// licences of what a binary links, the bill of materials, and checksums.
//
// It is run from the root of the source tree that the binaries were built from,
// and takes its time from SOURCE_DATE_EPOCH
// (https://reproducible-builds.org/specs/source-date-epoch/).
package main
