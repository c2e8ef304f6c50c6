package codec

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// scanner reads JSON of a known shape, several times as fast as encoding/json
// does. It knows only what is ordinary: names in the case of the API, each of
// them once, no null where a value is expected. All else makes it odd, and
// says nothing about whether it is wrong: encoding/json decides then. What is
// not odd means the same to both.
type scanner struct {
	in    []byte // what is still to be read
	odd   bool
	depth int
}

// maxDepth bounds how deep values may stand inside each other.
const maxDepth = 64

// end makes it odd if anything follows.
func (s *scanner) end() {
	if s.peek(); len(s.in) > 0 {
		s.odd = true
	}
}

// peek returns the first byte that is not white space; zero for none.
func (s *scanner) peek() byte {
	for i, b := range s.in {
		if b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			s.in = s.in[i:]
			return b
		}
	}
	s.in = nil
	return 0
}

// take takes a byte, if it is what comes next.
func (s *scanner) take(b byte) bool {
	if s.odd || s.peek() != b {
		return false
	}
	s.in = s.in[1:]
	return true
}

func (s *scanner) expect(b byte) {
	if !s.take(b) {
		s.odd = true
	}
}

// enter begins an object or an array and reports whether it has anything.
func (s *scanner) enter(begin, end byte) bool {
	s.expect(begin)
	if s.depth++; s.depth > maxDepth {
		s.odd = true
	}
	if s.take(end) || s.odd {
		return s.leave()
	}
	return true
}

// more reports whether another element follows.
func (s *scanner) more(end byte) bool {
	if s.take(',') {
		return true
	}
	s.expect(end)
	return s.leave()
}

func (s *scanner) leave() bool {
	s.depth--
	return false
}

// object reads an object. It calls field for each name that is known, to read
// the value, and skips the others.
func (s *scanner) object(known []string, field func(name string)) {
	var seen uint64
	for more := s.enter('{', '}'); more && !s.odd; more = s.more('}') {
		name := s.token()
		s.expect(':')
		i := s.find(known, name)
		switch {
		case s.odd:
		case i < 0:
			s.skip()
		case seen>>i&1 != 0:
			s.odd = true
		default:
			seen |= 1 << i
			field(known[i])
		}
	}
}

// find returns where a name stands among those that are known, or -1. One that
// encoding/json might take for a known one is odd.
func (s *scanner) find(known []string, name []byte) int {
	for i, k := range known {
		if string(name) == k {
			return i
		}
	}
	for _, b := range name {
		if b >= utf8.RuneSelf {
			s.odd = true
		}
	}
	for _, k := range known {
		if len(k) == len(name) && strings.EqualFold(k, string(name)) {
			s.odd = true
		}
	}
	return -1
}

// array calls element to read each of an array's values.
func (s *scanner) array(element func()) {
	for more := s.enter('[', ']'); more && !s.odd; more = s.more(']') {
		element()
	}
}

// token reads a string without escapes.
func (s *scanner) token() []byte {
	raw, plain := s.rawString()
	if !plain {
		s.odd = true
		return nil
	}
	return raw[1 : len(raw)-1]
}

// text reads a string.
func (s *scanner) text() string {
	raw, plain := s.rawString()
	if plain {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	if s.odd || json.Unmarshal(raw, &text) != nil {
		s.odd = true
	}
	return text
}

// rawString reads a string as it is written, with its quotes, and reports
// whether it stands for itself.
func (s *scanner) rawString() (raw []byte, plain bool) {
	if s.odd || s.peek() != '"' {
		s.odd = true
		return nil, false
	}
	ascii := true
	plain = true
	for i := 1; i < len(s.in); i++ {
		switch b := s.in[i]; {
		case b == '"':
			raw, s.in = s.in[:i+1], s.in[i+1:]
			return raw, plain && (ascii || utf8.Valid(raw))
		case b == '\\':
			plain = false
			i++
		case b < ' ':
			s.odd = true
			return nil, false
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.odd = true
	return nil, false
}

// texts reads an object of strings.
func (s *scanner) texts() map[string]string {
	m := map[string]string{}
	for more := s.enter('{', '}'); more && !s.odd; more = s.more('}') {
		name := s.text()
		s.expect(':')
		m[name] = s.text()
	}
	return m
}

// stringsOf reads an array of strings.
func stringsOf[T ~string](s *scanner) []T {
	texts := make([]T, 0, 1)
	s.array(func() { texts = append(texts, T(s.text())) })
	return texts
}

// truth reads true or false.
func (s *scanner) truth() bool {
	if s.peek() == 't' {
		s.literal("true")
		return true
	}
	s.literal("false")
	return false
}

func (s *scanner) literal(word string) {
	if s.odd || len(s.in) < len(word) || string(s.in[:len(word)]) != word {
		s.odd = true
		return
	}
	s.in = s.in[len(word):]
}

// number reads an integer of at most nine digits.
func (s *scanner) number() int32 {
	raw := s.rawNumber()
	digits, negative := raw, false
	if len(raw) > 0 && raw[0] == '-' {
		digits, negative = raw[1:], true
	}
	var n int32
	for _, b := range digits {
		if b < '0' || b > '9' || len(digits) > 9 {
			s.odd = true
			return 0
		}
		n = 10*n + int32(b-'0')
	}
	if negative {
		n = -n
	}
	return n
}

// rawNumber reads a number as it is written.
func (s *scanner) rawNumber() []byte {
	s.peek()
	n, digits := 0, 0
	for ; n < len(s.in) && strings.IndexByte("+-.0123456789Ee", s.in[n]) >= 0; n++ {
		if s.in[n] >= '0' && s.in[n] <= '9' {
			digits++
		}
	}
	raw := s.in[:n]
	plain := n == 1 || n > 1 && raw[0] != '0'
	if s.odd || (digits < n || !plain) && !json.Valid(raw) {
		s.odd = true
		return nil
	}
	s.in = s.in[n:]
	return raw
}

// skip reads a value of any kind.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		for more := s.enter('{', '}'); more && !s.odd; more = s.more('}') {
			s.skipString()
			s.expect(':')
			s.skip()
		}
	case '[':
		s.array(s.skip)
	case '"':
		s.skipString()
	case 't', 'f':
		s.truth()
	case 'n':
		s.literal("null")
	default:
		s.rawNumber()
	}
}

// skipString reads a string. One with escapes must be a proper one.
func (s *scanner) skipString() {
	if raw, plain := s.rawString(); !plain && !s.odd && !json.Valid(raw) {
		s.odd = true
	}
}
