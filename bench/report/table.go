package report

// This file: the arithmetic of a few numbers, and Markdown tables that also read well in a terminal.

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// median of an even count is the mean of the middle two; of none, zero.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func bounds(values []float64) (low, high float64) { return slices.Min(values), slices.Max(values) }

func hundredths(v float64) string {
	if v = max(v, 0); v < 0.005 {
		return "0"
	}
	return fmt.Sprintf("%.2f", v)
}

// whole groups the digits of a rounded number in threes.
func whole(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func ratioText(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratio)
}

// writeTable writes a Markdown table whose first left columns are aligned to the left and the others to the right.
func writeTable(w io.Writer, head []string, left int, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(head))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", max(width, 2))
		if i >= left {
			rule[i] = strings.Repeat("-", max(width, 2)-1) + ":"
		}
	}
	for _, row := range append([][]string{head, rule}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", max(widths[i], 2)-utf8.RuneCountInString(cell))
			if i < left {
				line.WriteString("| " + cell + space + " ")
			} else {
				line.WriteString("| " + space + cell + " ")
			}
		}
		fmt.Fprintln(w, line.String()+"|")
	}
	fmt.Fprintln(w)
}
