// Package metrics shows what a front end does in the form that Prometheus reads.
package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sugarlabs/beamrider/remora/live"
)

// Metrics are what /metrics shows. The kinds of request are few and fixed: a label made from what
// a client sends would let it fill our memory.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
}

// New returns the metrics of a front end that serves library.
func New(library *live.Library) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "remora_http_requests_total", Help: "Requests answered."}, []string{"kind", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "remora_http_request_seconds", Help: "Time from the request to the end of its answer.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 10, 60, 600}}, []string{"kind"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "remora_http_response_bytes_total", Help: "Bytes of answers."}, []string{"kind"}),
	}
	gauge := func(name, help string, value func(live.Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(library.Status()) })
	}
	m.registry.MustRegister(m.requests, m.seconds, m.bytes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("remora_view_activities", "Activities in the view.", func(s live.Status) float64 { return float64(s.Activities) }),
		gauge("remora_view_seq", "Position of the view in the change feed.", func(s live.Status) float64 { return float64(s.Position.Seq) }),
		gauge("remora_view_contact_age_seconds", "Seconds since the database last answered; -1: never.", func(s live.Status) float64 {
			if s.Contact.IsZero() {
				return -1
			}
			return time.Since(s.Contact).Seconds()
		}))
	return m
}

// Handler shows them.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request counts one answer.
func (m *Metrics) Request(r *http.Request, status int, bytes int64, took time.Duration) {
	kind := requestKind(r.URL.Path)
	m.requests.WithLabelValues(kind, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(kind).Observe(took.Seconds())
	m.bytes.WithLabelValues(kind).Add(float64(bytes))
}

func requestKind(path string) string {
	switch {
	case strings.HasPrefix(path, "/services/update-aslo.php"), strings.HasPrefix(path, "/update/"):
		return "update"
	case strings.HasPrefix(path, "/services/"):
		return "service"
	case strings.HasPrefix(path, "/api/"):
		return "api"
	case strings.HasSuffix(path, ".xo"), strings.HasSuffix(path, ".xol"):
		return "download"
	case strings.HasPrefix(path, "/icon/"), strings.HasPrefix(path, "/preview/"), strings.HasPrefix(path, "/static/"):
		return "asset"
	case path == "/livez", path == "/readyz", path == "/metrics":
		return "probe"
	}
	return "page"
}
