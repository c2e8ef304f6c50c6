package node

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// Sockets are the ports that processes of the node listen on. The zero value
// has none.
type Sockets struct {
	byPort map[socket][]netip.Addr
}

type socket struct {
	protocol registry.Protocol
	port     uint16
}

// Listens reports whether a process listens on that port of that address, or
// of all addresses. A socket on [::] counts for IPv4 too, as it is unless the
// process asked otherwise.
func (s Sockets) Listens(protocol registry.Protocol, at netip.AddrPort) bool {
	for _, a := range s.byPort[socket{protocol, at.Port()}] {
		if a == at.Addr() || a.IsUnspecified() && (a.Is6() || at.Addr().Is4()) {
			return true
		}
	}
	return false
}

// tables are the kernel's lists of sockets, and the state, as its TCP names
// them, of one that waits for whoever comes: LISTEN for TCP, CLOSE for UDP.
var tables = []struct {
	name     string
	protocol registry.Protocol
	state    string
}{
	{"tcp", registry.TCP, "0A"},
	{"tcp6", registry.TCP, "0A"},
	{"udp", registry.UDP, "07"},
	{"udp6", registry.UDP, "07"},
}

// Listening returns the ports that processes listen on right now.
func Listening() (Sockets, error) {
	s := Sockets{map[socket][]netip.Addr{}}
	for _, t := range tables {
		f, err := os.Open("/proc/thread-self/net/" + t.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a family that the kernel lacks
		}
		if err != nil {
			return Sockets{}, fmt.Errorf("list listening sockets: %w", err)
		}
		err = s.read(f, t.protocol, t.state)
		_ = f.Close()
		if err != nil {
			return Sockets{}, fmt.Errorf("list listening sockets: %s: %w", f.Name(), err)
		}
	}
	return s, nil
}

// read adds the sockets in a state from one of the kernel's tables. The one
// for TCP lists those that listen before all others (proc_net_tcp in the
// kernel's documentation), however many connections follow: the rest of it is
// not read.
func (s Sockets) read(r io.Reader, protocol registry.Protocol, state string) error {
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 {
			return fmt.Errorf("line %q: want at least 4 fields", lines.Text())
		}
		if fields[3] != state {
			if protocol == registry.TCP {
				return nil
			}
			continue
		}
		local, err := parseSocket(fields[1])
		if err != nil {
			return err
		}
		key := socket{protocol, local.Port()}
		s.byPort[key] = append(s.byPort[key], local.Addr())
	}
	return lines.Err()
}

// parseSocket reads an address as the kernel prints it: words of 32 bits in
// the machine's byte order, in hexadecimal, and the port after a colon.
func parseSocket(s string) (netip.AddrPort, error) {
	host, number, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(number, 16, 16)
	raw, hexErr := hex.DecodeString(host)
	if err = errors.Join(err, hexErr); err != nil {
		return netip.AddrPort{}, fmt.Errorf("socket %q: %w", s, err)
	}
	if len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("socket %q: want an address of 4 or 16 bytes", s)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}
