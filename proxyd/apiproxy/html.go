package apiproxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// linkAttributes are the attributes that hold a link (HTML 4.01 and the living
// standard), by element.
var linkAttributes = map[string][]string{
	"a": {"href"}, "applet": {"codebase"}, "area": {"href"}, "audio": {"src"}, "base": {"href"},
	"blockquote": {"cite"}, "body": {"background"}, "button": {"formaction"}, "command": {"icon"},
	"del": {"cite"}, "embed": {"src"}, "form": {"action"}, "frame": {"longdesc", "src"},
	"head": {"profile"}, "html": {"manifest"}, "iframe": {"longdesc", "src"},
	"image": {"href"}, "img": {"longdesc", "src", "usemap"}, "input": {"formaction", "src", "usemap"},
	"ins": {"cite"}, "link": {"href"}, "object": {"classid", "codebase", "data", "usemap"},
	"q": {"cite"}, "script": {"src"}, "source": {"src"}, "track": {"src"}, "video": {"poster", "src"},
}

// maxToken is the largest tag or text, in bytes, that is looked at as one.
const maxToken = 1 << 20

// rewritePage has the links of a response rewritten while it is read, if it is
// an HTML page whose encoding is known.
func (l links) rewritePage(r *http.Response) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "text/html") {
		return
	}
	coding, known := codings[strings.ToLower(r.Header.Get("Content-Encoding"))]
	if !known || r.StatusCode == http.StatusPartialContent {
		return
	}
	for _, h := range []string{"Content-Length", "Content-Md5", "Digest", "Content-Digest", "Accept-Ranges"} {
		r.Header.Del(h) // of the page as it was
	}
	if tag := r.Header.Get("Etag"); strings.HasPrefix(tag, `"`) {
		r.Header.Set("Etag", "W/"+tag) // it means the same, but has other bytes (RFC 9110, 8.8.1)
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = newPage(r.Body, coding, l)
	}
}

// errPage ends a page that takes the tokenizer or a decoder out of its step.
var errPage = errors.New("the page can't be read")

// page is the body of a response while its links are rewritten.
type page struct {
	*io.PipeReader
	from io.Closer
	done chan struct{}
}

func newPage(from io.ReadCloser, c coding, l links) *page {
	r, w := io.Pipe()
	p := &page{r, from, make(chan struct{})}
	go func() {
		defer close(p.done)
		err := errPage
		defer func() {
			_ = recover()             // as net/http does: a page must not end the process
			_ = w.CloseWithError(err) // always nil
		}()
		err = l.copyPage(w, from, c)
	}()
	return p
}

// Close implements io.Closer, and waits for the end of the work.
func (p *page) Close() error {
	err := errors.Join(p.PipeReader.Close(), p.from.Close())
	<-p.done
	return err
}

// copyPage copies a page and rewrites its links. All that has been read is
// written before more is waited for.
func (l links) copyPage(w io.Writer, from io.Reader, c coding) error {
	out := &flushing{encoder: c.encode(w), from: from}
	in, err := c.decode(out)
	if errors.Is(err, io.EOF) {
		return nil // no body at all
	}
	if err != nil {
		return err
	}
	z := html.NewTokenizer(in)
	z.SetMaxBuf(maxToken)
	for {
		kind := z.Next()
		// What stands before an error is still to be written.
		if _, err := out.Write(l.token(z, kind)); err != nil {
			return err
		}
		if kind == html.ErrorToken {
			return l.finish(z, in, out)
		}
	}
}

// finish ends a page. A page that can't be taken apart goes on as it is.
func (l links) finish(z *html.Tokenizer, in io.Reader, out encoder) error {
	switch err := z.Err(); {
	case errors.Is(err, html.ErrBufferExceeded):
		if _, err := io.Copy(out, io.MultiReader(bytes.NewReader(z.Buffered()), in)); err != nil {
			return err
		}
	case !errors.Is(err, io.EOF):
		return errors.Join(out.Flush(), err)
	}
	return out.Close()
}

// token returns a token as it is to be written: byte for byte as it came
// unless a link in it changes.
func (l links) token(z *html.Tokenizer, kind html.TokenType) []byte {
	raw := z.Raw()
	if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
		return raw
	}
	raw = bytes.Clone(raw) // Token changes it
	t := z.Token()
	changed := false
	for i, a := range t.Attr {
		t.Attr[i].Val = l.attribute(&t, a)
		changed = changed || t.Attr[i].Val != a.Val
	}
	if !changed {
		return raw
	}
	return []byte(t.String())
}

// attribute returns the value of an attribute with its links rewritten.
func (l links) attribute(t *html.Token, a html.Attribute) string {
	switch {
	case a.Namespace != "":
		return a.Val
	case slices.Contains(linkAttributes[t.Data], a.Key):
		return l.rewrite(a.Val)
	case a.Key == "srcset" || a.Key == "imagesrcset":
		return l.rewriteSet(a.Val)
	case t.Data == "meta" && a.Key == "content" && slices.ContainsFunc(t.Attr, isRefresh):
		return l.rewriteRefresh(a.Val)
	}
	return a.Val
}

// isRefresh reports whether an attribute makes a meta element send the browser
// elsewhere.
func isRefresh(a html.Attribute) bool {
	return a.Key == "http-equiv" && strings.EqualFold(a.Val, "refresh")
}
