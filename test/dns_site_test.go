package test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

// recovery is how long a test waits until a loss is noticed, or over. A member
// that hangs is given up after some 17 seconds.
const recovery = time.Minute

// site is a DNS server and the etcd that it follows, each on a host of its
// own:
//
//	dns ── lan ── etcd0, etcd1, … ── peers
//
// The members reach each other through peers, clients reach them through lan.
// Queries are asked on the DNS server's own host: no cable is in their way.
// There can be several clusters; their members are counted as one row.
type site struct {
	t       *testing.T
	lab     *lab.Lab
	host    *lab.Host // that of the DNS server
	hosts   []*lab.Host
	members []*registrytest.Member
	dir     string
	dns     *daemon
}

// newSite starts clusters of those sizes, and writes the stock into the first
// one. DNS isn't started yet.
func newSite(t *testing.T, sizes ...int) *site {
	t.Helper()
	l := lab.New(t)
	s := &site{t: t, lab: l, host: l.Host("dns"), dir: t.TempDir()}
	for _, size := range sizes {
		for range size {
			s.hosts = append(s.hosts, l.Host(fmt.Sprintf("etcd%d", len(s.hosts))))
		}
	}
	l.Switch("lan", append(s.hosts, s.host)...)
	l.Switch("peers", s.hosts...)
	s.host.Addr("lan", "192.0.2.1/24")
	for i, h := range s.hosts {
		h.Addr("lan", fmt.Sprintf("192.0.2.%d/24", 10+i))
		h.Addr("peers", fmt.Sprintf("198.51.100.%d/24", 10+i))
	}
	for _, size := range sizes {
		first := len(s.members)
		s.members = append(s.members, registrytest.StartClusterAt(t, s.places(first, first+size)...)...)
	}
	s.write(0, "/registry", stock...)
	return s
}

// places are where some of the members run.
func (s *site) places(from, to int) (places []registrytest.Place) {
	for i := from; i < to; i++ {
		places = append(places, registrytest.Place{
			Client:  url.URL{Scheme: "http", Host: fmt.Sprintf("192.0.2.%d:2379", 10+i)},
			Peer:    url.URL{Scheme: "http", Host: fmt.Sprintf("198.51.100.%d:2380", 10+i)},
			Command: s.hosts[i].Command, Dial: s.hosts[i].Dial,
		})
	}
	return places
}

// stock is a registry with a service of every kind. Nothing that a test does
// to etcd changes it.
var stock = []string{
	`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"my-ns"}}`,
	`{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"my-ns"},
		"spec":{"clusterIP":"10.0.0.1","ports":[{"name":"http","port":80}]}}`,
	`{"kind":"Endpoints","apiVersion":"v1beta1","id":"web","namespace":"my-ns","endpoints":["10.1.0.1:80"]}`,
	`{"kind":"Service","apiVersion":"v1","metadata":{"name":"db","namespace":"my-ns"},
		"spec":{"clusterIP":"None","ports":[{"name":"pg","port":5432}]}}`,
	`{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"db","namespace":"my-ns"},"subsets":[{
		"addresses":[{"ip":"10.1.0.2","hostname":"a"},{"ip":"10.1.0.3","hostname":"b"}],"ports":[{"name":"pg","port":5432}]}]}`,
}

var (
	kindPattern = regexp.MustCompile(`"kind":"(\w+)"`)
	namePattern = regexp.MustCompile(`"(?:name|id)":"([\w-]+)"`)
)

// keyOf returns where an object of my-ns is kept.
func keyOf(prefix, object string) string {
	name := namePattern.FindStringSubmatch(object)[1]
	switch kindPattern.FindStringSubmatch(object)[1] {
	case "Service":
		return prefix + "/services/specs/my-ns/" + name
	case "Endpoints":
		return prefix + "/services/endpoints/my-ns/" + name
	default:
		return prefix + "/namespaces/" + name
	}
}

// remove deletes an object through one member.
func (s *site) remove(member int, prefix, object string) {
	s.t.Helper()
	s.do(member, clientv3.OpDelete(keyOf(prefix, object)))
}

// service is a service with a portal IP.
func service(name, portalIP string) string {
	return fmt.Sprintf(`{"kind":"Service","apiVersion":"v1beta1","id":%q,"namespace":"my-ns","port":80,"portalIP":%q}`, name, portalIP)
}

// write puts objects into the registry through one member, in one transaction.
func (s *site) write(member int, prefix string, objects ...string) {
	s.t.Helper()
	var ops []clientv3.Op
	for _, object := range objects {
		ops = append(ops, clientv3.OpPut(keyOf(prefix, object), object))
	}
	s.do(member, ops...)
}

// do does some operations in one transaction through one member, which may
// have no leader yet. A try that seems to fail may be carried out much later,
// when a cable is back; so each counts the turns, and does nothing when its
// own is over.
func (s *site) do(member int, ops ...clientv3.Op) {
	s.t.Helper()
	client := s.members[member].Connect()
	var turn int64
	s.try("etcd says whose turn it is", func(ctx context.Context) error {
		r, err := client.Get(ctx, turnKey)
		if err == nil && r.Count > 0 {
			turn = r.Kvs[0].Version
		}
		return err
	})
	ops = append(ops, clientv3.OpPut(turnKey, ""))
	s.try("etcd takes a change", func(ctx context.Context) error {
		_, err := client.Txn(ctx).If(clientv3.Compare(clientv3.Version(turnKey), "=", turn)).Then(ops...).Commit()
		return err
	})
}

// turnKey is put with each change, outside of every registry.
const turnKey = "/turn"

// try asks etcd for something until it succeeds.
func (s *site) try(what string, ask func(context.Context) error) {
	s.t.Helper()
	eventually(s.t, recovery, what, func() error {
		ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
		defer cancel()
		return ask(ctx)
	})
}

// corefile is a DNS server that follows all members, with a copy on disk.
func (s *site) corefile() string {
	return `.:53 {
	errors
	ready
	prometheus
	svcreg cluster.local 10.0.0.0/8 {
		endpoint ` + strings.Join(registrytest.Endpoints(s.members...), " ") + `
		snapshot ` + filepath.Join(s.dir, "snapshot") + `
	}
}
`
}

// startDNS starts the DNS server and waits until it follows the registry.
func (s *site) startDNS(corefile string) {
	s.t.Helper()
	s.runDNS(corefile)
	eventually(s.t, recovery, "DNS follows etcd", s.follows(true))
}

// runDNS starts the DNS server.
func (s *site) runDNS(corefile string) {
	s.t.Helper()
	file := filepath.Join(s.dir, "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.dns = run(s.t, s.host, program(s.t, "coredns"), "-conf", file)
}

// ready is whether the ready plugin says so.
func (s *site) ready() error {
	_, err := new(fleet).fetch(s.host, "http://127.0.0.1:8181/ready")
	return err
}

// metric returns the value of one of svcreg's metrics; its labels contain some
// text. A metric that isn't there is an error.
func (s *site) metric(name, label string) (float64, error) {
	body, err := new(fleet).fetch(s.host, "http://127.0.0.1:9153/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(body) {
		labels, value, ok := strings.Cut(line, "} ")
		if ok && strings.HasPrefix(labels, "coredns_svcreg_"+name+"{") && strings.Contains(labels, label) {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no metric coredns_svcreg_%s", name)
}

// follows returns a check of whether the metrics say that the registry is
// being followed.
func (s *site) follows(wanted bool) func() error {
	return func() error { return s.metricIs("synced", "", map[bool]float64{true: 1}[wanted]) }
}

func (s *site) metricIs(name, label string, wanted float64) error {
	v, err := s.metric(name, label)
	if err != nil {
		return err
	}
	return want(v, wanted)
}

// seconds returns the value of a metric that must be there.
func (s *site) seconds(name string) float64 {
	s.t.Helper()
	v, err := s.metric(name+"_seconds", "")
	if err != nil {
		s.t.Error(err)
	}
	return v
}

// mustBeReady fails the test unless the DNS server is ready.
func (s *site) mustBeReady(when string) {
	s.t.Helper()
	if err := s.ready(); err != nil {
		s.t.Errorf("%s: not ready: %v", when, err)
	}
}
