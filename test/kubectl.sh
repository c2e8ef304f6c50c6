#!/bin/sh
# kubectl.sh FILE: puts the kubectl of Debian's package kubernetes-client at FILE
# (8 MB), where the one on the PATH is another, so that the tests meet two
# versions: Debian 12 has 1.20, Debian 13 has 1.32. Where that can't be had, it
# says so, and the tests have one.
set -eu

file=$(realpath -m "$1")
command -v apt-get >/dev/null 2>&1 || exit 0
if dpkg-query -W -f '${Status}' kubernetes-client 2>/dev/null | grep -q '^install ok installed$'; then
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
if apt-get -qq download kubernetes-client >log 2>&1 && dpkg -x ./*.deb . >>log 2>&1; then
	mkdir -p "$(dirname "$file")"
	cp usr/bin/kubectl "$file"
else
	echo "Debian's kubectl can't be had: the tests use the one on the PATH" >&2
fi
