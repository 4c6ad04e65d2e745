package portal

import (
	"math/big"

	"github.com/weirhq/weir/billing"
)

// AmountText is amountText.
func AmountText(r *big.Rat, c billing.Currency) (string, error) { return amountText(r, c) }
