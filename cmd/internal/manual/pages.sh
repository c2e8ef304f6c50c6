#!/bin/sh
# Makes the manual pages in bin/man, from what the programs in bin say of
# themselves and from the plugin's README; those of CoreDNS come along.
#
#	man -M bin/man svcctl
#	cp -r bin/man /usr/local/share
set -eu

markdown=$(mktemp)
trap 'rm -f "$markdown"' EXIT
rm -rf bin/man
mkdir -p bin/man/man1 bin/man/man5 bin/man/man7 bin/man/man8

page() { # page NAME.SECTION, of what is in $markdown
	go run "$MD2MAN" -in "$markdown" -out "bin/man/man${1##*.}/$1"
}

for name in svcctl.1 proxyd.8 svcreg-standalone.8; do
	"bin/${name%.*}" man >"$markdown"
	page "$name"
done

{
	echo "# COREDNS-SVCREG 7 \"\" \"svcreg $VERSION\" \"CoreDNS Plugins\""
	# What stands in a list is indented by two spaces; go-md2man wants four.
	sed -e '/^# /d' -e 's/^## .*/\U&/' -e 's/^\*svcreg\* - /coredns-svcreg - /' \
		-e '/^~~~/,/^~~~/!s/^ \+/&&/' plugin/svcreg/README.md
} >"$markdown"
page coredns-svcreg.7

coredns=$(go list -m -f '{{.Dir}}' github.com/coredns/coredns)/man
install -m 644 "$coredns/coredns.1" bin/man/man1
install -m 644 "$coredns/corefile.5" bin/man/man5
for plugin in import metrics $(bin/coredns -plugins | sed 's/.*dns\.//'); do
	if [ -f "$coredns/coredns-$plugin.7" ]; then
		install -m 644 "$coredns/coredns-$plugin.7" bin/man/man7
	fi
done
