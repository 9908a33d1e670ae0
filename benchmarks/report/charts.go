package main

import "fmt"

// A chart is a plot and what it shows, for whoever does not see it.
type chart struct {
	file, alt string
	title     string
	value     func(peer string) float64
	format    string
	peers     []string
}

func charts(r results) []chart {
	median := func(measure string, scale float64) func(string) float64 {
		return func(peer string) float64 { return r.median(measure, peer, nanos) / scale }
	}
	counted := func(measure, unit string) func(string) float64 {
		return func(peer string) float64 {
			if peer == ours {
				return r.most(measure, peer, unit)
			}
			return r.least(measure, peer, unit)
		}
	}
	all := []string{ours, "oauth2", "google", "aws"}
	cached := []string{"floor", ours, "smartauth+otel", "oauth2", "google", "aws"}
	const times = "Bars of the times of each peer, which benchstat lists below"
	return []chart{
		{"benchmarks-token.svg", times, "A cached token, one goroutine", median("TokenSerial", 1), "%.0f ns", cached},
		{"benchmarks-crowd.svg", times, "A cached token, eight goroutines", median("TokenParallel-8", 1), "%.0f ns", cached},
		{"benchmarks-transport.svg", times, "The transport, with four headers of the caller", median("Transport", 1), "%.0f ns",
			[]string{"floor", ours, "oauth2", "google"}},
		{"benchmarks-herd.svg", times, "10,000 callers without a token, one that takes 50 ms", median("ColdHerd-2", 1e6), "%.1f ms",
			append([]string{"floor"}, all...)},
		{"benchmarks-503.svg", "Bars of the token requests of each peer, as in the table", "Token requests of 200 callers, all answered 503",
			counted("HerdAgainst503", "requests"), "%.0f", all},
		{"benchmarks-expiry.svg", "Bars of the calls held, as in the table", "Calls held over 10 ms when a token expires, of 2,000 a second",
			counted("ExpiryCrossing", "held"), "%.0f", all},
		{"benchmarks-revocation.svg", "Bars of the failed calls, as in the table", "Failed calls of 4,000, with the token revoked on the way",
			counted("Revocation", "failed"), "%.0f", all[:3]},
	}
}

func plots(r results) map[string]string {
	drawn := make(map[string]string)
	for _, c := range charts(r) {
		var bars []bar
		for _, peer := range c.peers {
			v := c.value(peer)
			bars = append(bars, bar{peer, v, fmt.Sprintf(c.format, v)})
		}
		drawn[c.file] = plot(c.title, ours, bars)
	}
	return drawn
}
