package metering

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

const (
	// PicosPerMicro is how many pico-dollars a micro-dollar holds.
	PicosPerMicro = 1_000_000
	// MicrosPerDollar is how many micro-dollars a dollar holds.
	MicrosPerDollar = 1_000_000
)

// Cost is an exact amount of US dollars in pico-dollars. A price of n
// micro-dollars per million tokens is n pico-dollars per token, so a cost is
// always an integer of pico-dollars. It is kept as two numbers so that neither
// a column nor its sum overflows: the value is Micros × 1e6 + Picos, and Picos
// is in [0, 1e6) for negative amounts too. The zero value is no cost, which is
// not the same as unknown: [Event].CostState says which.
type Cost struct {
	Micros int64 // whole micro-dollars, rounded down
	Picos  int64 // the rest, 0 … 999,999 pico-dollars
}

// CostOf returns quantity × rate, with rate in pico-dollars per unit. ok is
// false if the product does not fit, which only absurd input can cause.
func CostOf(quantity, rate int64) (c Cost, ok bool) {
	if quantity < 0 || rate < 0 {
		return Cost{}, false
	}
	hi, lo := bits.Mul64(uint64(quantity), uint64(rate))
	if hi >= PicosPerMicro {
		return Cost{}, false
	}
	q, r := bits.Div64(hi, lo, PicosPerMicro)
	if q > 1<<62 {
		return Cost{}, false
	}
	return Cost{Micros: int64(q), Picos: int64(r)}, true
}

// Add returns c + d, carried.
func (c Cost) Add(d Cost) Cost { return Cost{c.Micros + d.Micros, c.Picos + d.Picos}.Normal() }

// Neg returns -c.
func (c Cost) Neg() Cost { return Cost{-c.Micros, -c.Picos}.Normal() }

// Normal carries Picos into Micros; a sum of columns may need it.
func (c Cost) Normal() Cost {
	carry := c.Picos / PicosPerMicro
	c.Picos %= PicosPerMicro
	if c.Picos < 0 {
		c.Picos += PicosPerMicro
		carry--
	}
	c.Micros += carry
	return c
}

// IsZero reports whether the amount is exactly nothing.
func (c Cost) IsZero() bool { return c.Normal() == Cost{} }

// String is the exact decimal amount in dollars without an exponent or
// superfluous zeros: "0.000006", "-1.5", "0".
func (c Cost) String() string {
	c = c.Normal()
	sign := ""
	micros, picos := uint64(c.Micros), uint64(c.Picos)
	if c.Micros < 0 {
		sign = "-"
		micros = -micros
		if picos > 0 { // -1 micro and 999,999 picos is one pico below nothing
			micros, picos = micros-1, PicosPerMicro-picos
		}
	}
	whole := sign + strconv.FormatUint(micros/MicrosPerDollar, 10)
	if micros%MicrosPerDollar == 0 && picos == 0 {
		return whole
	}
	digits := make([]byte, 0, 12)
	for _, part := range []uint64{micros % MicrosPerDollar, picos} {
		for unit := uint64(100_000); unit > 0; unit /= 10 {
			digits = append(digits, byte('0'+part/unit%10))
		}
	}
	return whole + "." + strings.TrimRight(string(digits), "0")
}

// MarshalJSON writes the exact decimal as a string.
func (c Cost) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// UnmarshalJSON reads a decimal in a string.
func (c *Cost) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	parsed, err := ParseCost(s)
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// ParseCost reads an exact decimal of dollars with at most twelve decimals.
func ParseCost(s string) (Cost, error) {
	n, err := ParseNumber(s)
	if err != nil {
		return Cost{}, fmt.Errorf("cost %q: %w", s, err)
	}
	micros, over := bits.Mul64(abs(n.Units), MicrosPerDollar)
	if micros != 0 || over > 1<<62 {
		return Cost{}, fmt.Errorf("cost %q is out of range: %w", s, ErrInvalid)
	}
	m := int64(over)
	if n.Units < 0 {
		m = -m
	}
	return Cost{Micros: m + n.Picos/PicosPerMicro, Picos: n.Picos % PicosPerMicro}, nil
}

func abs(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}
