package sandbox_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
)

// TestProvider is what holds for every payment provider.
func TestProvider(t *testing.T) {
	t.Parallel()
	numbers := map[billingtest.Card]string{
		billingtest.CardSucceeds: "4242424242424242", billingtest.CardDeclines: "4000000000000002", billingtest.CardInsufficient: "4000000000009995",
		billingtest.CardAction: "4000002500003155", billingtest.CardLosesReply: "4000000000000341", billingtest.CardLosesRequest: "4000000000000119",
	}
	billingtest.TestProvider(t, func(t *testing.T) *billingtest.ProviderUnderTest {
		path := filepath.Join(t.TempDir(), "payments")
		p := open(t, path)
		pages := func() *site {
			h, err := p.Handler()
			if err != nil {
				t.Fatal(err)
			}
			return &site{t, p, h, path}
		}
		out := &billingtest.ProviderUnderTest{Provider: p}
		out.Card = func(customer string, c billingtest.Card) (billing.PaymentMethod, bool) {
			m, err := p.SetupDirect(customer, numbers[c])
			if err != nil {
				t.Fatal(err)
			}
			return m, true
		}
		out.Act = func(actionURL string, confirm bool) {
			page := strings.TrimPrefix(actionURL, base)
			answer := "no"
			if confirm {
				answer = "yes"
			}
			_, _, body := pages().do(page, nil)
			match := secretField.FindStringSubmatch(body)
			if match == nil {
				return // it has been answered, and has no form any more
			}
			if code, _, body := pages().do(page, url.Values{"secret": {match[1]}, "answer": {answer}}); code != http.StatusOK {
				t.Errorf("%s: %d %s", answer, code, body)
			}
		}
		out.Taken = func(key string) int { return pages().charges("?key=" + url.QueryEscape(key)).Total }
		out.Restart = func() {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			p = open(t, path)
			out.Provider = p
		}
		return out
	})
}
