package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

const (
	nameCells = 30
	barCells  = 32
)

// print draws the chart with characters.
func (c chart) print(out io.Writer) {
	for _, rows := range c.traces {
		_, _ = fmt.Fprintf(out, "   trace %s\n", short(rows[0].trace))
		for _, r := range rows {
			line := fmt.Sprintf("   %-*s ▕%s▏%9s  %s", nameCells, strings.Repeat("  ", r.depth)+r.name, c.bar(r), milliseconds(r.end-r.start), r.notes)
			_, _ = fmt.Fprintln(out, strings.TrimRight(line, " "))
			for _, link := range r.links {
				_, _ = fmt.Fprintf(out, "   %s%s\n", strings.Repeat("  ", r.depth+1), link)
			}
		}
	}
}

// printIDs prints what to look for where the traces went.
func (c chart) printIDs(out io.Writer) {
	for _, rows := range c.traces {
		_, _ = fmt.Fprintf(out, "   trace %s: %s\n", rows[0].trace, rows[0].name)
	}
}

// bar is where the span was in the time of the chart. Also the shortest is seen.
func (c chart) bar(r row) string {
	cell := func(d time.Duration) int { return int(math.Round(barCells * float64(d) / float64(max(c.took, 1)))) }
	from := min(cell(r.start), barCells-1)
	to := max(cell(r.end), from)
	bar := strings.Repeat("█", to-from)
	if bar == "" {
		bar, to = "▏", from+1
	}
	return strings.Repeat(" ", from) + bar + strings.Repeat(" ", barCells-to)
}
