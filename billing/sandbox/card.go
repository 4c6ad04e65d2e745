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
}

// label is the card for people.
func (c card) label() string { return "Visa ending in " + c.Last4 + ", " + c.Expires }

// readNumber checks the number of a card.
func readNumber(s string) (number string, b behaviour, err error) {
	number = strings.NewReplacer(" ", "", "-", "").Replace(s)
	if len(number) < 12 || len(number) > 19 || strings.Trim(number, "0123456789") != "" || !luhn(number) {
		return "", "", fmt.Errorf("the card number is not valid: %w", metering.ErrInvalid)
	}
	b, ok := cards()[number]
	if !ok {
		return "", "", fmt.Errorf("the sandbox knows only the cards listed below: %w", metering.ErrInvalid)
	}
	return number, b, nil
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
func readExpiry(s string, now time.Time) (string, error) {
	month, year, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), "/")
	m, err := strconv.Atoi(month)
	y, err2 := strconv.Atoi(year)
	if !ok || err != nil || err2 != nil || m < 1 || m > 12 || len(year) != 2 {
		return "", fmt.Errorf("the expiry is not MM/YY: %w", metering.ErrInvalid)
	}
	if last := time.Date(2000+y, time.Month(m)+1, 1, 0, 0, 0, 0, time.UTC); !now.Before(last) {
		return "", fmt.Errorf("the card has expired: %w", metering.ErrInvalid)
	}
	return fmt.Sprintf("%02d/%02d", m, y), nil
}

// readCode checks the security code, which is not kept.
func readCode(s string) error {
	if len(s) != 3 || strings.Trim(s, "0123456789") != "" {
		return fmt.Errorf("the security code is three digits: %w", metering.ErrInvalid)
	}
	return nil
}
