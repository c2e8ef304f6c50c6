// Package examples holds the services that the documentation speaks of, as
// users write them: in every API version and in Kubernetes protobuf.
package examples

import "embed"

// Files holds every example. Those that end in .pb are Kubernetes protobuf,
// one object each; the others hold one or several documents.
//
//go:embed *.json *.yaml *.pb
var Files embed.FS
