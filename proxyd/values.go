package proxyd

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// word is a setting that is taken as it is written; Validate judges it.
type word string

func (w *word) String() string     { return string(*w) }
func (w *word) Set(s string) error { *w = word(s); return nil }
func (w *word) Type() string       { return "string" }

// toggle is a setting that is on or off.
type toggle bool

func (t *toggle) String() string   { return strconv.FormatBool(bool(*t)) }
func (t *toggle) Type() string     { return "bool" }
func (t *toggle) IsBoolFlag() bool { return true }

func (t *toggle) Set(s string) error {
	if s != "true" && s != "false" {
		return want(s, "true or false")
	}
	*t = s == "true"
	return nil
}

// period is a setting that is a time.
type period time.Duration

func (p *period) String() string { return time.Duration(*p).String() }
func (p *period) Type() string   { return "duration" }

func (p *period) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return want(s, "a duration such as 5ms or 10m")
	}
	*p = period(d)
	return nil
}

// number is a setting that is a whole number.
type number int

func (n *number) String() string { return strconv.Itoa(int(*n)) }
func (n *number) Type() string   { return "int" }

func (n *number) Set(s string) error {
	value, err := strconv.Atoi(s)
	if err != nil {
		return want(s, "a whole number")
	}
	*n = number(value)
	return nil
}

// share is a setting from 0 to 1.
type share float64

func (v *share) String() string { return strconv.FormatFloat(float64(*v), 'f', -1, 64) }
func (v *share) Type() string   { return "share" }

func (v *share) Set(s string) error {
	value, err := strconv.ParseFloat(s, 64)
	if err != nil || !(value >= 0 && value <= 1) { // NaN is neither
		return want(s, "a number from 0 to 1")
	}
	*v = share(value)
	return nil
}

// list is a setting of several values, separated by commas. Setting it
// replaces them all.
type list[T any] struct {
	values *[]T
	parse  func(string) (T, error)
	kind   string
}

func (l list[T]) Type() string { return l.kind }

func (l list[T]) String() string {
	if l.values == nil {
		return ""
	}
	var words []string
	for _, v := range *l.values {
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, ",")
}

func (l list[T]) Set(s string) error {
	var values []T
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		v, err := l.parse(part)
		if err != nil {
			return err
		}
		values = append(values, v)
	}
	*l.values = values
	return nil
}

func text(s string) (string, error) { return s, nil }

func network(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, want(s, "networks such as 10.244.0.0/16")
	}
	if p != p.Masked() {
		return p, want(s, "a network without host bits, such as "+p.Masked().String())
	}
	return p, nil
}

// want is the error of a wrong value.
func want(value, expected string) error {
	return fmt.Errorf("%q: want %s", value, expected)
}
