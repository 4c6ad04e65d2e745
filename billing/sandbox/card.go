package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// behaviour is what becomes of charges to a card.
type behaviour string

const (
	succeeds  behaviour = "succeeds"
	declined  behaviour = "declined"
	poor      behaviour = "insufficient funds"
	confirmed behaviour = "to be confirmed"
	replyLost behaviour = "reply lost"
	lost      behaviour = "request lost"
)

// cards are the numbers that the provider knows.
func cards() map[string]behaviour {
	return map[string]behaviour{
		"4242424242424242": succeeds,
		"4000000000000002": declined,
		"4000000000009995": poor,
		"4000002500003155": confirmed,
		"4000000000000341": replyLost,
		"4000000000000119": lost,
	}
}

// card is what is kept of a card.
type card struct {
	Token     string    `json:"token"`
	Customer  string    `json:"customer"`
	Last4     string    `json:"last4"`
	Expires   string    `json:"expires"` // 01/30
	Behaviour behaviour `json:"behaviour"`

	At metering.Micros `json:"at"` // when it was entered
}

// label is the card for people.
func (c card) label() string { return "Visa ending in " + c.Last4 + ", " + c.Expires }

// Fields of the form for a card.
const (
	fieldNumber  = "number"
	fieldExpires = "expires"
	fieldCode    = "code"
)

// readCard checks what was entered. faults is what is wrong with it by field, in
// words for whoever entered it; none of them quotes a number, which may be a real
// one.
func readCard(number, expires, code string, now time.Time) (c card, faults map[string]string) {
	faults = make(map[string]string)
	note := func(field, fault string) {
		if fault != "" {
			faults[field] = fault
		}
	}
	var fault string
	number = strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(number)
	c.Behaviour, fault = readNumber(number)
	note(fieldNumber, fault)
	c.Expires, fault = readExpiry(expires, now)
	note(fieldExpires, fault)
	note(fieldCode, readCode(strings.TrimSpace(code)))
	if len(faults) > 0 {
		return card{}, faults
	}
	c.Last4 = number[len(number)-4:]
	return c, nil
}

func onlyDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// readNumber finds the card of a number.
func readNumber(number string) (b behaviour, fault string) {
	switch {
	case number == "":
		return "", "Enter the number of the card."
	case !onlyDigits(number):
		return "", "The card number is not valid: it has digits only."
	case len(number) < 12 || len(number) > 19:
		return "", fmt.Sprintf("The card number is not valid: this is %d digits long, not 12 to 19.", len(number))
	case !luhn(number):
		return "", "The card number is not valid: a digit is mistyped, or two are swapped."
	}
	b, ok := cards()[number]
	if !ok {
		return "", "The sandbox knows only the cards listed below. Never enter a real one."
	}
	return b, ""
}

// luhn is the check digit of ISO/IEC 7812-1.
func luhn(number string) bool {
	sum := 0
	for i := range len(number) {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// readExpiry checks MM/YY against the time.
func readExpiry(s string, now time.Time) (expires, fault string) {
	month, year, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), "/")
	if !ok || !onlyDigits(month) || len(month) > 2 || !onlyDigits(year) || len(year) != 2 {
		return "", "Enter the expiry as MM/YY, such as 09/31."
	}
	// One or two digits are always a number.
	m, _ := strconv.Atoi(month)
	y, _ := strconv.Atoi(year)
	switch {
	case m < 1 || m > 12:
		return "", "The month of MM/YY is 01 to 12."
	case !now.Before(time.Date(2000+y, time.Month(m)+1, 1, 0, 0, 0, 0, time.UTC)):
		return "", "The card has expired."
	}
	return fmt.Sprintf("%02d/%02d", m, y), ""
}

// readCode checks the security code, which is not kept.
func readCode(s string) (fault string) {
	if len(s) != 3 || !onlyDigits(s) {
		return "The security code is three digits."
	}
	return ""
}
