package api

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// upstreamSeries are the metrics of what calls go to: a series for each endpoint
// and credential that the configuration lists.
type upstreamSeries struct {
	inUse, waiting, requests, failures, resting *prometheus.Desc
}

func newUpstreamSeries() upstreamSeries {
	one := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("weir_upstream_"+name, help, labels, nil)
	}
	part := []string{"upstream", "endpoint", "credential"}
	return upstreamSeries{
		inUse:    one("connections_in_use", "Connections that serve a call.", "upstream"),
		waiting:  one("waiting_calls", "Calls that wait for a connection.", "upstream"),
		requests: one("requests_total", "Requests by endpoint, and by credential where that is not empty: its position and last characters. Without an endpoint: a credential that endpoints share.", part...),
		failures: one("failures_total", "Requests that failed in a way that counts against the endpoint or the credential.", part...),
		resting:  one("resting", "1 while calls pass over the endpoint or the credential.", part...),
	}
}

func (s upstreamSeries) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.inUse, s.waiting, s.requests, s.failures, s.resting} {
		out <- d
	}
}

func (s upstreamSeries) collect(upstreams []Upstream, out chan<- prometheus.Metric) {
	for _, u := range upstreams {
		out <- prometheus.MustNewConstMetric(s.inUse, prometheus.GaugeValue, float64(u.InUse), u.Name)
		out <- prometheus.MustNewConstMetric(s.waiting, prometheus.GaugeValue, float64(u.Waiting), u.Name)
		shown := false
		for _, e := range u.Endpoints {
			s.part(out, e.Health, u.Name, bare(e.BaseURL), "")
			for _, c := range e.Credentials {
				name := fmt.Sprint(c.Position)
				if c.Last4 != "" {
					name += "-" + c.Last4
				}
				switch {
				case !c.Shared:
					s.part(out, c.Health, u.Name, bare(e.BaseURL), name)
				case !shown: // once, or a sum would count it at each endpoint
					s.part(out, c.Health, u.Name, "", name)
				}
			}
			shown = shown || len(e.Credentials) > 0 && e.Credentials[0].Shared
		}
	}
}

func (s upstreamSeries) part(out chan<- prometheus.Metric, h Health, labels ...string) {
	rests := 0.0
	if h.State == Resting {
		rests = 1
	}
	out <- prometheus.MustNewConstMetric(s.requests, prometheus.CounterValue, float64(h.Requests), labels...)
	out <- prometheus.MustNewConstMetric(s.failures, prometheus.CounterValue, float64(h.Failures), labels...)
	out <- prometheus.MustNewConstMetric(s.resting, prometheus.GaugeValue, rests, labels...)
}
