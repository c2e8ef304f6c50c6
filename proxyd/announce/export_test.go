package announce

import "net/netip"

// TryLinks lists the links and opens everything on them that announcing needs.
func TryLinks() (names []string, err error) {
	links, err := listLinks(nil)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		names = append(names, l.name)
		for _, p := range []*protocol{&arp, &ndp} {
			port, err := openPort(l, p, func([]byte) {})
			if err != nil {
				return nil, err
			}
			defer port.close()
			addr := netip.MustParseAddr("2001:db8::100")
			if err := port.join(solicitedNode(addr)); err != nil {
				return nil, err
			}
			for _, frame := range ndp.announce(l.mac, addr) {
				if err := port.send(frame); err != nil {
					return nil, err
				}
			}
		}
	}
	return names, nil
}
