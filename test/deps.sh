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
for try in 1 2 3; do
	# shellcheck disable=SC2086 # a list of packages
	if apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; then
		exit 0
	fi
	echo "apt-get failed (try $try of 3)" >&2
	sleep $((try * 5))
done
exit 1
