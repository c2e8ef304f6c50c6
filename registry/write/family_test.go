package write

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissing(t *testing.T) {
	const v4, v6 = ipv4, ipv6
	type families = []family
	tests := []struct {
		name             string
		wish             wish
		offered, present families
		want             families
		err              string
	}{
		{name: "the first network's by default", offered: families{v6, v4}, want: families{v6}},
		{name: "none beside what is there", offered: families{v4, v6}, present: families{v6}},
		{name: "the one asked for", wish: wish{Families: []string{"IPv6"}}, offered: families{v4, v6}, want: families{v6}},
		{name: "both if they are preferred", wish: wish{Policy: preferDualStack}, offered: families{v4, v6}, want: families{v4, v6}},
		{name: "in the order asked for", wish: wish{preferDualStack, []string{"IPv6", "IPv4"}}, offered: families{v4, v6}, want: families{v6, v4}},
		{name: "one if both are preferred", wish: wish{Policy: preferDualStack}, offered: families{v4}, want: families{v4}},
		{name: "the second beside what is there", wish: wish{Policy: preferDualStack}, offered: families{v4, v6}, present: families{v4}, want: families{v6}},
		{name: "both if they are required", wish: wish{Policy: requireDualStack}, offered: families{v4, v6}, want: families{v4, v6}},
		{name: "both if they are listed", wish: wish{Families: []string{"IPv4", "IPv6"}}, offered: families{v4, v6}, want: families{v4, v6}},
		{name: "a named address without networks", present: families{v4}},
		{
			name: "not both if only one is there", wish: wish{Policy: requireDualStack}, offered: families{v4},
			err: "spec.ipFamilyPolicy: RequireDualStack: want a portal network of each family, the registry has only [IPv4]",
		},
		{
			name: "not a family without a network", wish: wish{Families: []string{"IPv6"}}, offered: families{v4},
			err: "spec.ipFamilies: IPv6: want a family of the portal networks, [IPv4]",
		},
		{
			name: "not as first choice either", wish: wish{preferDualStack, []string{"IPv6", "IPv4"}}, offered: families{v4},
			err: "spec.ipFamilies: IPv6: want a family of the portal networks, [IPv4]",
		},
		{name: "not a family of its own", wish: wish{Families: []string{"IPX"}}, offered: families{v4}, err: `spec.ipFamilies[0]: "IPX": want IPv4 or IPv6, each once`},
		{name: "not one twice", wish: wish{Families: []string{"IPv4", "IPv4"}}, offered: families{v4}, err: `spec.ipFamilies[1]: "IPv4": want IPv4 or IPv6, each once`},
		{name: "not any policy", wish: wish{Policy: "Dual"}, offered: families{v4}, err: `spec.ipFamilyPolicy: "Dual": want one of [SingleStack PreferDualStack RequireDualStack]`},
		{name: "nothing without networks", err: ErrNotInitialised.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.wish.missing(tt.offered, tt.present)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %s", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("families (-want +got):\n%s%v", diff, err)
			}
		})
	}
}

func TestNotInitialisedNamesTheCommand(t *testing.T) {
	_, err := (&wish{}).missing(nil, nil)
	if !errors.Is(err, ErrNotInitialised) || !strings.Contains(err.Error(), "svcctl init") {
		t.Errorf("got %v", err)
	}
}
