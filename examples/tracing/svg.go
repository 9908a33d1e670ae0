package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Sizes of the picture, in pixels.
const (
	svgWidth  = 900
	svgName   = 20  // where the names begin
	svgBar    = 230 // and the bars
	svgBars   = 300 // how wide they are together
	svgTook   = 605 // where the durations end
	svgNotes  = 620
	svgRow    = 24
	svgHeader = 62
)

// It brings its own background, as it may be shown on a light or a dark page, and goes with what the reader's system prefers.
const svgStyle = `
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
.title { font-weight: bold; font-size: 13px }
.faint { fill: #59636e }
.card { fill: #ffffff; stroke: #d1d9e0 }
.line { stroke: #d1d9e0 }
.own { fill: #0969da }
.other { fill: #8c959f }
.failed { fill: #cf222e }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.faint { fill: #9198a1 }
.card { fill: #0d1117; stroke: #3d444d }
.line { stroke: #3d444d }
.own { fill: #4493f8 }
.other { fill: #7d8590 }
.failed { fill: #f85149 }
}
`

// svg draws the chart as a picture: a bar in blue for a span of ours, in grey for another, in red for a failed one.
func (c chart) svg(title string) []byte {
	var b strings.Builder
	y := svgHeader
	for _, rows := range c.traces {
		for _, r := range rows {
			c.svgRow(&b, y, r)
			y += svgRow * (1 + len(r.links))
		}
	}
	height := y + svgRow/2
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">
<title>%[3]s</title>
<style>%[4]s</style>
<rect class="card" x="0.5" y="0.5" width="%[5]d" height="%[6]d" rx="6"/>
<text class="title" x="%[7]d" y="26">%[3]s</text>
`, svgWidth, height, escape(title), svgStyle, svgWidth-1, height-1, svgName)
	return []byte(head + c.svgAxis(height) + b.String() + "</svg>\n")
}

// svgAxis draws a line every so many milliseconds.
func (c chart) svgAxis(height int) string {
	var step time.Duration
	for _, ms := range []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000} {
		if step = ms * time.Millisecond; c.took <= 6*step {
			break
		}
	}
	var b strings.Builder
	for at := time.Duration(0); at <= c.took; at += step {
		fmt.Fprintf(&b, `<line class="line" x1="%.1f" x2="%.1[1]f" y1="%d" y2="%d"/>`, c.svgX(at), svgHeader-12, height-8)
		fmt.Fprintf(&b, `<text class="faint" x="%.1f" y="%d" text-anchor="middle">%d ms</text>`+"\n", c.svgX(at), svgHeader-17, at.Milliseconds())
	}
	return b.String()
}

func (c chart) svgX(at time.Duration) float64 {
	return svgBar + svgBars*float64(at)/float64(max(c.took, 1))
}

func (c chart) svgRow(b *strings.Builder, y int, r row) {
	class := "other"
	switch {
	case r.failed:
		class = "failed"
	case strings.HasPrefix(r.name, "smartauth."):
		class = "own"
	}
	indent := svgName + 14*r.depth
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, indent, y+11, escape(r.name))
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="12" rx="2"/>`, class, c.svgX(r.start), y+1, max(c.svgX(r.end)-c.svgX(r.start), 1.5))
	fmt.Fprintf(b, `<text class="faint" x="%d" y="%d" text-anchor="end">%s</text>`, svgTook, y+11, milliseconds(r.end-r.start))
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", svgNotes, y+11, escape(r.notes))
	for i, link := range r.links {
		fmt.Fprintf(b, `<text class="faint" x="%d" y="%d">%s</text>`+"\n", indent+14, y+11+svgRow*(i+1), escape(link))
	}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
