package registrytest

import (
	"slices"
	"strings"
	"sync"

	"github.com/svcreg/svcreg/registry"
)

// Events are what a controller under test tells of services, a line each:
// "Normal" or "Warning", the service, the reason and the message. The zero
// Events are none.
type Events struct {
	mu    sync.Mutex
	lines []string
}

// Normal adds a line.
func (e *Events) Normal(service registry.Key, reason, message string) {
	e.add("Normal", service, reason, message)
}

// Warning adds a line.
func (e *Events) Warning(service registry.Key, reason, message string) {
	e.add("Warning", service, reason, message)
}

func (e *Events) add(kind string, service registry.Key, reason, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, strings.Join([]string{kind, service.String(), reason, message}, " "))
}

// Lines returns what was told, in that order.
func (e *Events) Lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}

// Forget forgets the first n lines.
func (e *Events) Forget(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = slices.Delete(e.lines, 0, n)
}
