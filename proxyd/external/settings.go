package external

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The annotations on a Service that have its endpoints checked.
const (
	// CheckAnnotation is how: tcp, http://:PORT/PATH, https://:PORT/PATH (the
	// port may be left out), dns or none.
	CheckAnnotation = "svcreg.io/health-check"
	// IntervalAnnotation and TimeoutAnnotation are the time from one check to
	// the next, and how long one may take, as "10s" or in seconds.
	IntervalAnnotation = "svcreg.io/health-interval"
	TimeoutAnnotation  = "svcreg.io/health-timeout"
	// RiseAnnotation and FallAnnotation are after how many passed or failed
	// checks in a row an endpoint comes in or goes out.
	RiseAnnotation = "svcreg.io/health-rise"
	FallAnnotation = "svcreg.io/health-fall"
)

// The defaults and limits of the annotations.
const (
	defaultInterval = 10 * time.Second
	leastInterval   = 100 * time.Millisecond
	mostInterval    = time.Hour
	defaultTimeout  = 2 * time.Second
	defaultRise     = 2
	defaultFall     = 3
	mostInARow      = 100
)

// check is how a service's endpoints are checked.
type check struct {
	method            string // tcp, http, https or dns
	port              uint16 // zero for the endpoint's own
	path              string // with the query, for http and https
	interval, timeout time.Duration
	rise, fall        int
}

// period returns the longest time from the beginning of a check to that of the
// next for which an endpoint that fails is out within interval × fall: the last
// of the failed ones takes its timeout.
func (c *check) period() time.Duration { return c.interval - c.timeout/time.Duration(c.fall) }

// String says it as people would.
func (c *check) String() string {
	text := c.method
	if c.path != "" {
		text += "://"
		if c.port != 0 {
			text += ":" + strconv.Itoa(int(c.port))
		}
		text += c.path
	}
	return fmt.Sprintf("%s every %v, timeout %v, rise %d, fall %d", text, c.interval, c.timeout, c.rise, c.fall)
}

// DescribeCheck says in words how a service with some annotations is checked:
// "none" where it isn't. The error names an annotation that can't be used.
func DescribeCheck(annotations map[string]string) (string, error) {
	c, err := parseCheck(annotations)
	if c == nil || err != nil {
		return "none", err
	}
	return c.String(), nil
}

// parseCheck reads a service's annotations; nil where nothing is to be checked.
func parseCheck(annotations map[string]string) (*check, error) {
	c := &check{interval: defaultInterval, rise: defaultRise, fall: defaultFall}
	if err := c.readMethod(annotations[CheckAnnotation]); err != nil {
		return nil, fmt.Errorf("%s: %q: %w", CheckAnnotation, annotations[CheckAnnotation], err)
	}
	if c.method == "" {
		return nil, nil
	}
	if err := readDuration(annotations, IntervalAnnotation, &c.interval, leastInterval, mostInterval); err != nil {
		return nil, err
	}
	c.timeout = min(defaultTimeout, c.interval/2)
	if err := readDuration(annotations, TimeoutAnnotation, &c.timeout, time.Millisecond, c.interval/2); err != nil {
		return nil, err
	}
	if err := readCount(annotations, RiseAnnotation, &c.rise); err != nil {
		return nil, err
	}
	return c, readCount(annotations, FallAnnotation, &c.fall)
}

var errMethod = errors.New("want tcp, http://:PORT/PATH, https://:PORT/PATH, dns or none")

func (c *check) readMethod(text string) error {
	switch text {
	case "", "none":
		return nil
	case "tcp", "dns":
		c.method = text
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() != "" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(text, u.Scheme+"://") {
		return errMethod
	}
	if u.Port() != "" || strings.HasSuffix(u.Host, ":") {
		number, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || number == 0 {
			return errors.New("want a port from 1 to 65535")
		}
		c.port = uint16(number)
	}
	c.method, c.path = u.Scheme, u.RequestURI()
	return nil
}

func readDuration(annotations map[string]string, name string, d *time.Duration, least, most time.Duration) error {
	text, ok := annotations[name]
	if !ok {
		return nil
	}
	v, err := time.ParseDuration(text)
	if seconds, serr := strconv.Atoi(text); serr == nil && seconds <= int(mostInterval/time.Second) {
		v, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || v < least || v > most {
		return fmt.Errorf("%s: %q: want %v to %v", name, text, least, most)
	}
	*d = v
	return nil
}

func readCount(annotations map[string]string, name string, n *int) error {
	text, ok := annotations[name]
	if !ok {
		return nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 || v > mostInARow {
		return fmt.Errorf("%s: %q: want 1 to %d", name, text, mostInARow)
	}
	*n = v
	return nil
}
