// Package netlab joins network namespaces by links that misbehave as told.
package netlab
