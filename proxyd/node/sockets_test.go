package node

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func TestParseSocket(t *testing.T) {
	tests := []struct{ in, want string }{
		{"0100007F:1F90", "127.0.0.1:8080"},
		{"00000000:0050", "0.0.0.0:80"},
		{"00000000000000000000000000000000:0035", "[::]:53"},
		{"00000000000000000000000001000000:0035", "[::1]:53"},
		{"0000000000000000FFFF00000100007F:1F90", "127.0.0.1:8080"},
		{"B80D0120000000000000000001000000:01BB", "[2001:db8::1]:443"},
	}
	for _, tt := range tests {
		got, err := parseSocket(tt.in)
		if err != nil || got.String() != tt.want {
			t.Errorf("parseSocket(%q) = %v, %v; want %s", tt.in, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", ":", "0100007F", "0100007F:", "0100007F:10000", "01:50", "XX00007F:50"} {
		if got, err := parseSocket(bad); err == nil {
			t.Errorf("parseSocket(%q) = %v, want an error", bad, got)
		}
	}
}

func TestReadKeepsWhatListens(t *testing.T) {
	tests := []struct {
		name     string
		protocol registry.Protocol
		state    string
		lines    string
		want     string
		listens  bool
	}{
		{"a TCP listener on the address", registry.TCP, "0A", "0: 010200C0:0050 00000000:0000 0A 0", "192.0.2.1:80", true},
		{"on another address", registry.TCP, "0A", "0: 020200C0:0050 00000000:0000 0A 0", "192.0.2.1:80", false},
		{"on another port", registry.TCP, "0A", "0: 010200C0:0051 00000000:0000 0A 0", "192.0.2.1:80", false},
		{"on all addresses", registry.TCP, "0A", "0: 00000000:0050 00000000:0000 0A 0", "192.0.2.1:80", true},
		{"on all of both families", registry.TCP, "0A", "0: 00000000000000000000000000000000:0050 0:0 0A 0", "192.0.2.1:80", true},
		{"on all of IPv4 only", registry.TCP, "0A", "0: 00000000:0050 00000000:0000 0A 0", "[2001:db8::1]:80", false},
		{"a TCP connection", registry.TCP, "0A", "0: 010200C0:0050 030200C0:9C40 01 0", "192.0.2.1:80", false},
		{"a connected UDP socket before one that waits", registry.UDP, "07",
			"0: 010200C0:0050 030200C0:9C40 01 0\n 1: 010200C0:0050 00000000:0000 07 0", "192.0.2.1:80", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Sockets{map[socket][]netip.Addr{}}
			if err := s.read(strings.NewReader(heading+"   "+tt.lines+"\n"), tt.protocol, tt.state); err != nil {
				t.Fatal(err)
			}
			if got := s.Listens(tt.protocol, netip.MustParseAddrPort(tt.want)); got != tt.listens {
				t.Errorf("Listens(%s) = %v, want %v", tt.want, got, tt.listens)
			}
		})
	}
}

func TestReadRefusesWhatItCannotRead(t *testing.T) {
	for _, line := range []string{"garbage", "0: ZZ:0050 00000000:0000 0A 0"} {
		s := Sockets{map[socket][]netip.Addr{}}
		if err := s.read(strings.NewReader(heading+line+"\n"), registry.TCP, "0A"); err == nil {
			t.Errorf("read(%q): want an error", line)
		}
	}
}

func TestZeroSocketsListenNowhere(t *testing.T) {
	if (Sockets{}).Listens(registry.TCP, netip.MustParseAddrPort("192.0.2.1:80")) {
		t.Error("the zero Sockets listen")
	}
}

func FuzzParseSocket(f *testing.F) {
	f.Add("0100007F:1F90")
	f.Add("00000000000000000000000001000000:0035")
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := parseSocket(s); err == nil && !at.IsValid() {
			t.Errorf("parseSocket(%q) = %v without an error", s, at)
		}
	})
}
