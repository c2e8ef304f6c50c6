package report

import "github.com/svcreg/svcreg/bench/fleet"

// goal is what svcreg is meant to reach at one kind of question: multiples of
// other servers' queries a second, server-bound.
type goal struct{ whoami, kubernetes float64 } // 0 where there is none

var goals = map[fleet.Kind]goal{
	fleet.A:           {1.03, 1.65},
	fleet.AAAA:        {1.03, 1.65},
	fleet.PTR:         {1.03, 1.65},
	fleet.NXDOMAIN:    {1.1, 0},
	fleet.NODATA:      {1.1, 0},
	fleet.HeadlessA:   {0.95, 2.5},
	fleet.SRV:         {1.0, 0},
	fleet.HeadlessSRV: {0, 3},
}

// Further goals.
var (
	prometheusGoal = goal{0.95, 1.4}
	etcdGoal       = 15.0 // × the etcd plugin
)

// The goals of memory (bytes above no services), start and change (seconds) for
// 10k services; those of other sizes have their own.
var (
	memoryGoals = map[int]float64{10_000: 25e6, 100_000: 300e6}
	startGoals  = map[int]float64{10_000: 0.3, 50_000: 1.2}
)

const (
	quietP50Goal = 0.3e-3
	quietP99Goal = 1e-3
	loadP99Goal  = 5e-3
)
