// Package vault holds the one secret of a node and derives all its keys from it.
package vault
