package apiproxy

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// links keeps the links of a response under the path of the proxy.
type links struct {
	prefix string   // the path of the proxy, with no slash at its end
	hosts  []string // whom a link may name and still mean the endpoint
	scheme string   // how the endpoint is spoken to
}

// rewrite returns a link that leads to where the endpoint meant: one with a
// rooted path, or one that names the endpoint, now has the prefix. All others
// are as they were, and so is one that is under the prefix already.
func (l links) rewrite(link string) string {
	trimmed := strings.TrimSpace(link)
	u, err := url.Parse(trimmed)
	switch {
	case err != nil, u.Opaque != "", u.User != nil:
		return link
	case u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https":
		return link
	case u.Host != "" && !l.names(u):
		return link
	case u.Host == "" && (u.Scheme != "" || !strings.HasPrefix(trimmed, "/")):
		return link
	}
	rest := pathOn(trimmed)
	if l.under(rest) {
		return link
	}
	return l.prefix + rest
}

// spaces are those of HTML.
const spaces = " \t\n\f\r"

// rewriteSet rewrites each link of a set of images, such as "/a.png 1x, /b.png 2x".
func (l links) rewriteSet(set string) string {
	var out strings.Builder
	for set != "" {
		rest := strings.TrimLeft(set, spaces+",")
		out.WriteString(set[:len(set)-len(rest)])
		link := rest
		if i := strings.IndexAny(rest, spaces); i >= 0 {
			link = rest[:i] // commas and all, which a data: link has
		}
		link = strings.TrimRight(link, ",")
		out.WriteString(l.rewrite(link))
		size, _, _ := strings.Cut(rest[len(link):], ",")
		out.WriteString(size)
		set = rest[len(link)+len(size):]
	}
	return out.String()
}

// refresh is what a page says that sends the browser elsewhere after a time.
var refresh = regexp.MustCompile(`(?is)^(\s*[\d.]+\s*[;,]\s*url\s*=\s*['"]?)([^'"]+)(.*)$`)

// rewriteRefresh rewrites the link of a refresh, such as "5; url=/next".
func (l links) rewriteRefresh(content string) string {
	parts := refresh.FindStringSubmatch(content)
	if parts == nil {
		return content
	}
	return parts[1] + l.rewrite(parts[2]) + parts[3]
}

// names reports whether a link with a host means the endpoint.
func (l links) names(u *url.URL) bool {
	host := u.Host
	if u.Port() == "" {
		port := "80"
		if u.Scheme == "https" || u.Scheme == "" && l.scheme == "https" {
			port = "443"
		}
		host = net.JoinHostPort(u.Hostname(), port)
	}
	return slices.Contains(l.hosts, u.Host) || slices.Contains(l.hosts, host)
}

// under reports whether a rooted link has the prefix already.
func (l links) under(rest string) bool {
	after, ok := strings.CutPrefix(rest, l.prefix)
	return ok && (after == "" || strings.ContainsRune("/?#", rune(after[0])))
}

// pathOn returns what follows the host of a link, from the slash on.
func pathOn(link string) string {
	_, after, hosted := strings.Cut(link, "//")
	if !hosted || !isHosted(link) {
		return link
	}
	i := strings.IndexAny(after, "/?#")
	switch {
	case i < 0:
		return "/"
	case after[i] != '/':
		return "/" + after[i:]
	}
	return after[i:]
}

// isHosted reports whether a link begins with a host, with or without a scheme.
func isHosted(link string) bool {
	scheme, _, _ := strings.Cut(link, "//")
	return !strings.ContainsAny(scheme, "/?#")
}

// unescaped is the path that an escaped one stands for, or itself.
func unescaped(p string) string {
	if decoded, err := url.PathUnescape(p); err == nil {
		return decoded
	}
	return p
}
