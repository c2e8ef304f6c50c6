#!/bin/sh
# Installs the Debian packages that running and testing svcreg needs, and those
# named by arguments, where they are missing. Without root it says which those
# are and goes on: what needs them says so itself.
set -eu

missing=
need() { # need PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need ip iproute2
need iptables iptables
need nft nftables
need conntrack conntrack
need nsenter util-linux
need dig dnsutils
need curl curl
need kubectl kubernetes-client
need gcc gcc # the race detector
for program in "$@"; do
	need "$program" "$program"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "not installed, and only root on Debian can do it:$missing" >&2
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive

# Debian starts a server that it installs, and at each boot: not those that are
# here only to be measured.
services=
for service in nginx haproxy; do
	case "$missing " in *" $service "*) services="$services $service" ;; esac
done
policy=/usr/sbin/policy-rc.d
if [ -n "$services" ] && [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

for try in 1 2 3; do
	# shellcheck disable=SC2086 # a list of packages
	if apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; then
		for service in $services; do
			systemctl disable --quiet "$service" 2>/dev/null || true # there may be no systemd
		done
		exit 0
	fi
	echo "apt-get failed (try $try of 3)" >&2
	sleep $((try * 5))
done
exit 1
