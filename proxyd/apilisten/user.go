package apilisten

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

// The user and the groups that nobody needs to be given, as in Kubernetes.
const (
	anonymous       = "system:anonymous"
	unauthenticated = "system:unauthenticated"
	authenticated   = "system:authenticated"
)

// User is who a client is.
type User struct {
	Name   string
	Groups []string
}

type userKey struct{}

// UserOf returns the user of a request that came through a Server; of another
// one the user that has proved nothing.
func UserOf(ctx context.Context) *User {
	if u, ok := ctx.Value(userKey{}).(*User); ok {
		return u
	}
	return nobody
}

var nobody = &User{anonymous, []string{unauthenticated}}

// authenticator finds out who a client is.
type authenticator struct {
	tokens       *files[[]token] // nil without a file
	certificates bool            // the TLS server has checked them
}

// needed reports whether clients must prove who they are.
func (a *authenticator) needed() bool { return a.tokens != nil || a.certificates }

// user returns who sends a request: by its token if it has one, else by its
// certificate. It is nil where that is needed, and proves nothing. A token that
// was looked at goes no further.
func (a *authenticator) user(r *http.Request) *User {
	if !a.needed() {
		return nobody
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if a.tokens != nil && strings.EqualFold(scheme, "Bearer") {
		t := find(a.tokens.get(), sha256.Sum256([]byte(strings.TrimSpace(secret))))
		if t == nil {
			return nil
		}
		r.Header.Del("Authorization")
		return &t.user
	}
	return a.certified(r)
}

// certified returns whom the client's certificate speaks for, or nil.
func (a *authenticator) certified(r *http.Request) *User {
	if !a.certificates || r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if leaf.Subject.CommonName == "" || time.Now().After(leaf.NotAfter) { // connections may be old
		return nil
	}
	return &User{leaf.Subject.CommonName, append([]string{authenticated}, leaf.Subject.Organization...)}
}
