package order

import (
	"fmt"
	"strconv"

	"golang.org/x/text/currency"
)

// Money is an amount of minor units as people read it: 1999 CNY is "19.99 CNY".
// What is no currency of ISO 4217 is shown in units.
func Money(amount int64, code string) string {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return strconv.FormatInt(amount, 10) + " " + code
	}
	scale, _ := currency.Standard.Rounding(unit)
	if scale == 0 {
		return strconv.FormatInt(amount, 10) + " " + code
	}
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	one := int64(1)
	for range scale {
		one *= 10
	}
	return fmt.Sprintf("%s%d.%0*d %s", sign, amount/one, scale, amount%one, code)
}
