package link

import (
	"math"
	"strconv"
	"strings"
)

const unlimited = "unlimited"

type unit struct {
	name string
	size int64
}

// The largest unit comes first, the unit of size 1 last.
var (
	bitUnits  = []unit{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}
	byteUnits = []unit{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}}
)

// maxText is longer than every number that makes sense here.
const maxText = 40

func refuseText(text []byte, allowed string) error {
	shown := string(text)
	if len(shown) > maxText {
		shown = shown[:maxText] + "…"
	}
	return &RangeError{Value: strconv.Quote(shown), Allowed: allowed}
}

// parseUnits reads a decimal number with its unit exactly: what is not a whole
// number of the smallest unit is refused.
func parseUnits(text string, units []unit) (int64, bool) {
	if len(text) > maxText {
		return 0, false
	}
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			if v, ok := parseDecimal(strings.TrimRight(number, " "), u.size); ok {
				return v, true
			}
		}
	}
	return 0, false
}

func parseDecimal(text string, size int64) (int64, bool) {
	whole, part, dotted := strings.Cut(text, ".")
	if !isDigits(whole) || (dotted && !isDigits(part)) {
		return 0, false
	}
	v, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || v > math.MaxInt64/size {
		return 0, false
	}
	v *= size
	for part = strings.TrimRight(part, "0"); part != ""; part = part[1:] {
		if size%10 != 0 { // this digit is not whole
			return parseBinaryPart(v, part, size)
		}
		size /= 10
		v += int64(part[0]-'0') * size
	}
	return v, v >= 0
}

// parseBinaryPart adds a decimal fraction of a unit that has no factor 10 left,
// as in "1.5KiB".
func parseBinaryPart(v int64, part string, size int64) (int64, bool) {
	f, err := strconv.ParseFloat("0."+part, 64)
	if err != nil {
		return 0, false
	}
	f *= float64(size)
	return v + int64(f), f == math.Trunc(f) && v+int64(f) >= 0
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// formatUnits uses the largest unit that gives a whole number.
func formatUnits(v int64, units []unit) string {
	for _, u := range units {
		if v != 0 && v%u.size == 0 {
			return itoa(v/u.size) + u.name
		}
	}
	return itoa(v) + units[len(units)-1].name
}

func itoa(v int64) string { return strconv.FormatInt(v, 10) }

func parsePercent(text string) (float64, bool) {
	number, ok := strings.CutSuffix(text, "%")
	number = strings.TrimRight(number, " ")
	whole, part, dotted := strings.Cut(number, ".")
	if !ok || len(number) > maxText || !isDigits(whole) || (dotted && !isDigits(part)) {
		return 0, false
	}
	v, err := strconv.ParseFloat(number+"e-2", 64) // exact: no division by 100
	return v, err == nil && v <= 1
}

// formatPercent moves the decimal point of the shortest decimal form of p by two
// places, so that reading it again gives p.
func formatPercent(p float64) string {
	whole, part, _ := strings.Cut(strconv.FormatFloat(p, 'f', -1, 64), ".")
	if !isDigits(whole) || (part != "" && !isDigits(part)) {
		return strconv.FormatFloat(p, 'g', -1, 64) // no probability: Validate refuses it
	}
	for len(part) < 2 {
		part += "0"
	}
	whole, part = strings.TrimLeft(whole+part[:2], "0"), part[2:]
	if whole == "" {
		whole = "0"
	}
	if part != "" {
		whole += "." + part
	}
	return whole + "%"
}
