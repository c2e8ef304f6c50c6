package loadbalancer

import (
	"encoding/json"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Note says what a service wants of its load balancer and doesn't get. It
// stands in etcd as long as that holds.
type Note struct {
	// Problem is what is wrong, in a line for people.
	Problem string `json:"problem"`
	// Since is when that was found.
	Since time.Time `json:"since"`
}

// NoteDir returns what the keys of notes begin with.
func NoteDir(l codec.Layout) string { return l.Prefix() + "/svcreg/status/loadbalancer/" }

// NoteKey returns the key of the note about a service.
func NoteKey(l codec.Layout, k registry.Key) string { return NoteDir(l) + k.String() }

// DecodeNote reads a note.
func DecodeNote(value []byte) (n Note, err error) {
	err = json.Unmarshal(value, &n)
	return n, err
}

func (n Note) encode() (string, error) {
	value, err := json.Marshal(n)
	return string(value), err
}
