package api_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/proxy/api"
)

var errKilled = errors.New("killed")

// mortal dies after some writes.
type mortal struct {
	api.BillingStore
	writes int
}

func (m *mortal) live() error {
	if m.writes--; m.writes < 0 {
		return errKilled
	}
	return nil
}

func (m *mortal) CreateProduct(ctx context.Context, p billing.Product) (billing.Product, error) {
	if err := m.live(); err != nil {
		return p, err
	}
	return m.BillingStore.CreateProduct(ctx, p)
}

func (m *mortal) CreateSubscription(ctx context.Context, sub billing.Subscription) (billing.Subscription, error) {
	if err := m.live(); err != nil {
		return sub, err
	}
	return m.BillingStore.CreateSubscription(ctx, sub)
}

func (m *mortal) SaveMethod(ctx context.Context, method billing.PaymentMethod) (billing.PaymentMethod, error) {
	if err := m.live(); err != nil {
		return method, err
	}
	return m.BillingStore.SaveMethod(ctx, method)
}

// TestDemo: however often a start dies between two steps, the sandbox ends up
// with one of each, what the demo key uses is billed, and what somebody changed
// stays.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, dir := t.Context(), t.TempDir()
	key, err := api.EnsureDemo(ctx, s.store, dir, metering.DefaultOrg, keyring.Mint, s.clock.Now())
	s.must("demo", err)
	if !strings.HasPrefix(key, "weir_live_") {
		t.Errorf("the demo key is %s: what test keys use is never billed", key)
	}
	again, err := api.EnsureDemo(ctx, s.store, dir, metering.DefaultOrg, keyring.Mint, s.clock.Now())
	if again != key || err != nil {
		t.Errorf("the demo key became %s: %v", again, err)
	}
	card := func(_ context.Context, customer string) (billing.PaymentMethod, error) {
		return billing.PaymentMethod{Provider: s.bank.Name(), Token: "good", Label: "Visa ending in 4242"}, nil
	}
	for dies := range 3 {
		store := &mortal{s.bills, min(dies, 1)}
		if _, err := api.EnsureDemoBilling(ctx, s.store, store, card, metering.DefaultOrg, s.clock.Now()); !errors.Is(err, errKilled) {
			t.Errorf("start %d: %v", dies, err)
		}
	}
	for range 2 {
		label, err := api.EnsureDemoBilling(ctx, s.store, s.bills, card, metering.DefaultOrg, s.clock.Now())
		if label != "Visa ending in 4242" || err != nil {
			t.Errorf("card %q: %v", label, err)
		}
	}
	s.use(api.DemoCustomer, "", "100000")
	s.says("product list", "LLM usage 1mo llm-tokens 0.01 USD per 1,000")
	s.says("clock advance 1mo", "INV-000001 demo", "1.00 USD 0.00 paid")

	subs, err := s.client.Subscriptions(ctx, api.DemoCustomer, api.ListOptions{})
	s.must("subscriptions", err)
	_, err = s.client.EndSubscription(ctx, subs.Items[0].ID, 0)
	s.must("end", err)
	_, err = s.client.ArchiveProduct(ctx, api.DemoProduct)
	s.must("archive", err)
	_, err = api.EnsureDemoBilling(ctx, s.store, s.bills, nil, metering.DefaultOrg, s.clock.Now())
	s.must("demo", err)
	products, err := s.client.Products(ctx, api.ListOptions{})
	s.must("products", err)
	if subs, err = s.client.Subscriptions(ctx, api.DemoCustomer, api.ListOptions{}); err != nil || len(subs.Items) != 1 || len(products.Items) != 1 {
		t.Errorf("%d subscriptions, %d products, want one of each: %v", len(subs.Items), len(products.Items), err)
	}
}

// TestGreeting: a newcomer is told every step, and each of them is a command.
func TestGreeting(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	api.Greeting{Proxy: "http://127.0.0.1:8080", Key: "weir_live_x", Data: "/tmp/a b", Card: "Visa ending in 4242", Login: "http://127.0.0.1:8081/login/abc"}.Print(&out)
	for _, want := range []string{
		"curl http://127.0.0.1:8080/v1/chat/completions -H 'Authorization: Bearer weir_live_x'", "Visa ending in 4242",
		"usage --customer demo --by model --sync --data '/tmp/a b'", "invoice estimate --customer demo", "clock advance 1mo", "invoice audit INV-000001",
		"http://127.0.0.1:8081/login/abc",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the greeting lacks %q:\n%s", want, out.String())
		}
	}
}

// TestCreditOnce: a request made again under its Idempotency-Key gives credit
// once.
func TestCreditOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.subscribed("acme")
	body := `{"customer":"acme","amount":"5","currency":"USD"}`
	once := map[string][]string{"Idempotency-Key": {"c-1"}}
	first, _, made := s.request("POST", "/api/v1/credits", body, once)
	second, _, same := s.request("POST", "/api/v1/credits", body, once)
	list, err := s.client.Credits(t.Context(), "acme")
	s.must("credits", err)
	if first != 201 || second != 201 || !bytes.Equal(made, same) || len(list.Items) != 1 {
		t.Errorf("%d %d, %d credits:\n%s%s", first, second, len(list.Items), made, same)
	}
}
