package apiproxy

import (
	"strings"
	"testing"
)

func TestLinks(t *testing.T) {
	l := links{prefix: "/p/x:80/proxy", hosts: []string{"10.0.0.1:80", "api.example.org"}, scheme: "http"}
	for _, tc := range []struct{ name, in, want string }{
		{"rooted", "/login?a=/b#c", "/p/x:80/proxy/login?a=/b#c"},
		{"the root", "/", "/p/x:80/proxy/"},
		{"escapes stay", "/a%2Fb%20/%7E", "/p/x:80/proxy/a%2Fb%20/%7E"},
		{"the endpoint", "http://10.0.0.1:80/a//b", "/p/x:80/proxy/a//b"},
		{"the endpoint, its port left out", "http://10.0.0.1/a", "/p/x:80/proxy/a"},
		{"the endpoint, no path", "http://10.0.0.1", "/p/x:80/proxy/"},
		{"the endpoint, only a query", "http://10.0.0.1?u=http://h/", "/p/x:80/proxy/?u=http://h/"},
		{"no scheme", "//10.0.0.1/a", "/p/x:80/proxy/a"},
		{"the proxy's own name", "https://api.example.org/a", "/p/x:80/proxy/a"},
		{"there already", "/p/x:80/proxy/a", "/p/x:80/proxy/a"},
		{"there already, whole", "http://api.example.org/p/x:80/proxy", "http://api.example.org/p/x:80/proxy"},
		{"only alike", "/p/x:80/proxying", "/p/x:80/proxy/p/x:80/proxying"},
		{"another port", "http://10.0.0.1:81/", "http://10.0.0.1:81/"},
		{"https has another port", "https://10.0.0.1/", "https://10.0.0.1/"},
		{"another host", "http://example.org/", "http://example.org/"},
		{"relative", "a/b", "a/b"},
		{"relative, with a link inside", "a?u=//10.0.0.1/b", "a?u=//10.0.0.1/b"},
		{"above", "../a", "../a"},
		{"fragment", "#x", "#x"},
		{"query", "?x", "?x"},
		{"empty", "", ""},
		{"mail", "mailto:me@example.org", "mailto:me@example.org"},
		{"script", "javascript:go('/x')", "javascript:go('/x')"},
		{"data", "data:image/png;base64,//aa", "data:image/png;base64,//aa"},
		{"spaces about it", " /a\n", "/p/x:80/proxy/a"},
		{"another scheme", "ws://10.0.0.1:80/a", "ws://10.0.0.1:80/a"},
		{"not a link", "http://[::1", "http://[::1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := l.rewrite(tc.in); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLinkSets(t *testing.T) {
	l := links{prefix: "/p", hosts: []string{"h:80"}, scheme: "http"}
	for in, want := range map[string]string{
		"":                                   "",
		"/a":                                 "/p/a",
		" /a 1x,\n/b 2x ":                    " /p/a 1x,\n/p/b 2x ",
		"/a,/b 2x":                           "/p/a,/b 2x", // one link: commas end it only at its end
		"/a, /b":                             "/p/a, /p/b",
		",,/a,,":                             ",,/p/a,,",
		"data:image/png;base64,/a 1x, /b 2x": "data:image/png;base64,/a 1x, /p/b 2x",
		"//h/a 100w, //other/b 2x":           "/p/a 100w, //other/b 2x",
	} {
		if got := l.rewriteSet(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestRefresh(t *testing.T) {
	l := links{prefix: "/p"}
	for in, want := range map[string]string{
		"5": "5", "5;url=/a": "5;url=/p/a", "0 ; URL = \"/a\"": "0 ; URL = \"/p/a\"", "0.5,url='/a' x": "0.5,url='/p/a' x",
		"5; /a": "5; /a", "5; url=": "5; url=", "5; url=a": "5; url=a", "url=/a": "url=/a",
	} {
		if got := l.rewriteRefresh(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// FuzzLinks: what is rewritten once stays, and stays a path under the prefix.
func FuzzLinks(f *testing.F) {
	l := links{prefix: "/p", hosts: []string{"h:80"}, scheme: "http"}
	f.Add("http://h/x//y?//z")
	f.Add("//h:80#")
	f.Add("/a 1x,/b 2x")
	f.Add("5; url=/a")
	f.Fuzz(func(t *testing.T, s string) {
		for name, rewrite := range map[string]func(string) string{"a set": l.rewriteSet, "a refresh": l.rewriteRefresh} {
			if once := rewrite(s); rewrite(once) != once {
				t.Errorf("%s: %q became %q and then %q", name, s, once, rewrite(once))
			}
		}
		got := l.rewrite(s)
		if got == s {
			return
		}
		if !strings.HasPrefix(got, "/p/") {
			t.Errorf("%q became %q", s, got)
		}
		if again := l.rewrite(got); again != got {
			t.Errorf("%q became %q and then %q", s, got, again)
		}
	})
}
