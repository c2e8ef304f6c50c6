package apilisten

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// token is one that a client may show, and who shows it.
type token struct {
	hash [sha256.Size]byte
	user User
}

// parseTokens reads a static token file as an apiserver does: CSV with the
// columns token, user, uid and, if there are any, a list of groups. Errors
// never repeat a token.
func parseTokens(contents [][]byte) ([]token, error) {
	var tokens []token
	r := csv.NewReader(bytes.NewReader(contents[0]))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.Comment = -1, true, '#'
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if parsing, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, fmt.Errorf("line %d: %w", parsing.Line, parsing.Err)
		}
		line, _ := r.FieldPos(0)
		t, err := newToken(record)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if find(tokens, t.hash) != nil {
			return nil, fmt.Errorf("line %d: the token stands on an earlier line, too", line)
		}
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 {
		return nil, errors.New(`want lines of token,user,uid[,"group,group"], found none`)
	}
	return tokens, nil
}

// newToken reads a record of the file.
func newToken(record []string) (token, error) {
	if len(record) < 3 {
		return token{}, errors.New(`want token,user,uid[,"group,group"]`)
	}
	if record[0] == "" || strings.ContainsAny(record[0], " \t\r\n") || record[1] == "" {
		return token{}, errors.New("want a token without spaces, and a user")
	}
	t := token{hash: sha256.Sum256([]byte(record[0])), user: User{Name: record[1], Groups: []string{authenticated}}}
	if len(record) > 3 {
		for group := range strings.SplitSeq(record[3], ",") {
			if group = strings.TrimSpace(group); group != "" {
				t.user.Groups = append(t.user.Groups, group)
			}
		}
	}
	return t, nil
}

// find returns the token of a hash, or nil. It takes the same time whichever
// token that is, if any.
func find(tokens []token, hash [sha256.Size]byte) *token {
	at := -1
	for i := range tokens {
		same := subtle.ConstantTimeCompare(tokens[i].hash[:], hash[:])
		at = subtle.ConstantTimeSelect(same, i, at)
	}
	if at < 0 {
		return nil
	}
	return &tokens[at]
}
