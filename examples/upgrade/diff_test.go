package upgrade_test

import (
	"fmt"
	"slices"
	"strings"
)

const around = 3 // lines that are the same before and after a change

// A change is a line of a diff: ' ' in both files, '-' in the old one, '+' in the new one.
type change struct {
	kind byte
	line string
}

// diff keeps the most text that two files have in common in the same order: text, since a diff that keeps as many lines as it
// can finds most of them in brackets that do not belong together.
func diff(before, after []string) []change {
	common := make([][]int, len(before)+1) // how much from the lines i and j on
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i, b := range slices.Backward(before) {
		for j, a := range slices.Backward(after) {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); b == a {
				common[i][j] = max(common[i][j], common[i+1][j+1]+1+len(strings.TrimSpace(b)))
			}
		}
	}
	var changes, added []change // those added follow those removed with them
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case i < len(before) && j < len(after) && before[i] == after[j] && common[i][j] > max(common[i+1][j], common[i][j+1]):
			changes = append(append(changes, added...), change{' ', before[i]})
			added = nil
			i, j = i+1, j+1
		case j == len(after) || i < len(before) && common[i+1][j] >= common[i][j+1]:
			changes = append(changes, change{'-', before[i]})
			i++
		default:
			added = append(added, change{'+', after[j]})
			j++
		}
	}
	return append(changes, added...)
}

func count(changes []change, kind byte) (n int) {
	for _, c := range changes {
		if c.kind == kind {
			n++
		}
	}
	return n
}

// unified writes changes in the unified format. The files begin with the lines old and new.
func unified(changes []change, old, new int) string {
	var out strings.Builder
	for from := 0; ; {
		first := from + slices.IndexFunc(changes[from:], func(c change) bool { return c.kind != ' ' })
		if first < from {
			return out.String()
		}
		end, same := first, 0 // of the hunk, which goes on until more lines are the same than it needs around its changes
		for ; end < len(changes) && same <= 2*around; end++ {
			if same++; changes[end].kind != ' ' {
				same = 0
			}
		}
		begin := max(from, first-around)
		end -= max(0, same-around)
		old, new = old+begin-from, new+begin-from
		hunk := changes[begin:end]
		olds, news := len(hunk)-count(hunk, '+'), len(hunk)-count(hunk, '-')
		fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", old, olds, new, news)
		for _, c := range hunk {
			fmt.Fprintf(&out, "%c%s\n", c.kind, c.line)
		}
		old, new, from = old+olds, new+news, end
	}
}
