package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

type bar struct {
	name  string
	value float64
	label string
}

const (
	plotWidth, labelWidth, valueWidth = 720, 130, 110
	barHeight, barGap, plotTop        = 22, 8, 44
)

// plot draws horizontal bars from zero. The first with the name ours has a colour of its own.
func plot(title, ours string, bars []bar) string {
	var most float64
	for _, b := range bars {
		most = max(most, b.value)
	}
	height := plotTop + len(bars)*(barHeight+barGap) + 8
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n",
		plotWidth, height, plotWidth, height)
	fmt.Fprintf(&s, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&s, `<text x="12" y="26" font-size="15" font-weight="bold" fill="#222">%s</text>`+"\n", escape(title))
	for i, b := range bars {
		y, width, fill := plotTop+i*(barHeight+barGap), 0.0, "#9aa5b1"
		if most > 0 {
			width = b.value / most * (plotWidth - labelWidth - valueWidth)
		}
		if b.name == ours {
			fill = "#1f77b4"
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end" fill="#222">%s</text>`, labelWidth-8, y+16, escape(b.name))
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, labelWidth, y, width, barHeight, fill)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" fill="#222">%s</text>`+"\n", labelWidth+width+6, y+16, escape(b.label))
	}
	s.WriteString("</svg>\n")
	return s.String()
}

func escape(text string) string {
	var s strings.Builder
	_ = xml.EscapeText(&s, []byte(text)) // a Builder does not fail
	return s.String()
}
