package write

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
)

// PortRange are the ports from which node ports are taken, both ends among
// them.
type PortRange struct{ First, Last uint16 }

// DefaultNodePorts are taken where nobody said otherwise, as in Kubernetes.
var DefaultNodePorts = PortRange{30000, 32767}

// ParsePortRange reads what String writes.
func ParsePortRange(text string) (PortRange, error) {
	from, to, _ := strings.Cut(text, "-")
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	if errors.Join(err1, err2) != nil || first == 0 || last < first {
		return PortRange{}, fmt.Errorf("%q: want the first and the last port, such as %s", text, DefaultNodePorts)
	}
	return PortRange{uint16(first), uint16(last)}, nil
}

// String returns a range such as "30000-32767".
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

func (r PortRange) size() uint64 { return uint64(r.Last-r.First) + 1 }

// at returns the port of a number; the first is number 1.
func (r PortRange) at(number uint64) uint16 { return r.First + uint16(number-1) }

func (r PortRange) offers(port uint16) bool { return r.First <= port && port <= r.Last }

// portsRecord is what stands at the key of node ports.
type portsRecord struct {
	Range string `json:"range"`
}

// portsKey is where a registry has its range of node ports. Below it are the
// keys that are written by those who take one; see takePorts.
func (w *Writer) portsKey() string { return w.layout.Prefix() + "/svcreg/nodeports" }

// portRange returns the range that stands in the registry.
func portRange(kv *mvccpb.KeyValue) (PortRange, error) {
	if kv == nil {
		return DefaultNodePorts, nil
	}
	var record portsRecord
	err := json.Unmarshal(kv.Value, &record)
	r := PortRange{}
	if err == nil {
		r, err = ParsePortRange(record.Range)
	}
	if err != nil {
		return r, fmt.Errorf("node ports at %s: %w", kv.Key, err)
	}
	return r, nil
}

// sameRange is the condition that the range is the one of a view.
func (w *Writer) sameRange(v *view) clientv3.Cmp {
	var seen int64
	if v.ports != nil {
		seen = v.ports.ModRevision
	}
	return clientv3.Compare(clientv3.ModRevision(w.portsKey()), "=", seen)
}

// portLocks is how many keys are written by those who take node ports, each for
// its part of the ports: so that many writers at once seldom meet, and a
// transaction stays small.
const portLocks = 32

// takePorts adds to a change that it takes some node ports, and that nobody has
// taken one of them since the view.
func (w *Writer) takePorts(v *view, c *change, ports []uint16) {
	c.ports = ports
	c.conditions = append(c.conditions, w.sameRange(v))
	locks := map[uint16]bool{}
	for _, port := range ports {
		lock := port % portLocks
		if locks[lock] {
			continue
		}
		locks[lock] = true
		key := fmt.Sprintf("%s/%02d", w.portsKey(), lock)
		c.conditions = append(c.conditions, clientv3.Compare(clientv3.ModRevision(key), "<", v.revision+1))
		c.puts = append(c.puts, clientv3.OpPut(key, "{}"))
	}
}

// SetNodePorts says from which range a registry that Init prepared takes node
// ports from now on. Services keep those that they have.
func (w *Writer) SetNodePorts(ctx context.Context, r PortRange) error {
	_, err := ParsePortRange(r.String())
	if err == nil {
		err = w.untilDone(ctx, func() (bool, error) { return w.trySetNodePorts(ctx, r) })
	}
	if err != nil {
		return fmt.Errorf("set the node ports of %s: %w", w.layout.Prefix(), err)
	}
	return nil
}

// trySetNodePorts makes one attempt. It returns false if it lost a race.
func (w *Writer) trySetNodePorts(ctx context.Context, r PortRange) (done bool, err error) {
	v, err := w.read(ctx, networksRef)
	if err != nil {
		return false, err
	}
	if err := w.permit(ctx, v); err != nil {
		return false, err
	}
	if !v.owned {
		return false, ErrNotInitialised
	}
	if have, err := portRange(v.ports); err == nil && have == r {
		return true, nil
	}
	c := newChange(registry.Key{}, nil)
	value, err := json.Marshal(portsRecord{r.String()})
	if err != nil {
		return false, err
	}
	c.conditions = append(c.conditions, w.sameRange(v))
	c.puts = append(c.puts, clientv3.OpPut(w.portsKey(), string(value)))
	return w.commit(ctx, v, c)
}
