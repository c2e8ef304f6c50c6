package apilisten

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count requests.
type metrics struct {
	requests *prometheus.CounterVec
	took     prometheus.Histogram
	inFlight prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "proxyd", Name: "api_requests_total", Help: "Requests to the API, by the status of their answer.",
		}, []string{"code"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "proxyd", Name: "api_request_duration_seconds", Help: "Time until a request to the API was answered in full; that of watches and upgraded connections too.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 20), NativeHistogramBucketFactor: 1.05,
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "proxyd", Name: "api_requests_in_flight", Help: "Requests to the API that are being answered.",
		}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.took, m.inFlight)
	}
	return m
}

// begin counts a request, and returns the writer of its answer.
func (m *metrics) begin(w http.ResponseWriter) *answer {
	m.inFlight.Inc()
	return &answer{ResponseWriter: w}
}

// end counts its answer.
func (m *metrics) end(a *answer, start time.Time) {
	m.inFlight.Dec()
	m.took.Observe(time.Since(start).Seconds())
	m.requests.WithLabelValues(strconv.Itoa(a.code)).Inc()
}
