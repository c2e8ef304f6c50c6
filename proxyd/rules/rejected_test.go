package rules

import (
	"errors"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

func TestRejectedError(t *testing.T) {
	first, second := errors.New("no such match"), errors.New("too long")
	var e RejectedError
	e.Add(registry.Key{Namespace: "ns", Name: "b"}, first)
	e.Add(registry.Key{Namespace: "ns", Name: "a"}, second)
	e.Add(registry.Key{Namespace: "ns", Name: "b"}, second)
	want := "rules refused by the kernel: service ns/a: too long; service ns/b: no such match, too long"
	if e.Error() != want {
		t.Errorf("error %q, want %q", e.Error(), want)
	}
	if !errors.Is(&e, first) || !errors.Is(&e, second) {
		t.Error("a reason is not wrapped")
	}
}
