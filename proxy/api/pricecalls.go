package api

import (
	"context"
	"net/http"
)

// Rerate prices a page of recorded events again.
func (c *Client) Rerate(ctx context.Context, q RerateRequest) (RerateAnswer, error) {
	return do[RerateAnswer](ctx, c, http.MethodPost, at("pricebook", "rerate"), nil, q)
}

// PriceOptions choose prices.
type PriceOptions struct {
	ListOptions
	Provider, Model, Layer, At string
}

// Prices lists the rates in force.
func (c *Client) Prices(ctx context.Context, o PriceOptions) (Page[PriceEntry], error) {
	return do[Page[PriceEntry]](ctx, c, http.MethodGet, at("pricebook"), o.params("provider", o.Provider, "model", o.Model, "layer", o.Layer, "at", o.At), nil)
}

// Drift lists the rates that hold over others of lower layers.
func (c *Client) Drift(ctx context.Context, o PriceOptions) (Page[Drift], error) {
	return do[Page[Drift]](ctx, c, http.MethodGet, at("pricebook", "drift"), o.params("provider", o.Provider, "model", o.Model, "layer", o.Layer, "at", o.At), nil)
}

// ModelPrices shows all that the price book has of a model.
func (c *Client) ModelPrices(ctx context.Context, provider, model, when string) (ModelPrices, error) {
	return do[ModelPrices](ctx, c, http.MethodGet, at("pricebook", "models", provider, model), params("at", when), nil)
}

// AddPrices adds rows to the operator's or the account's layer.
func (c *Client) AddPrices(ctx context.Context, n NewPrices) (PriceChange, error) {
	return do[PriceChange](ctx, c, http.MethodPost, at("pricebook"), nil, n)
}

// RemovePrice takes a rate out.
func (c *Client) RemovePrice(ctx context.Context, r PriceRemoval) (PriceChange, error) {
	return do[PriceChange](ctx, c, http.MethodPost, at("pricebook", "remove"), nil, r)
}

// PriceLayers lists the layers that the server prices with, low to high.
func (c *Client) PriceLayers(ctx context.Context) (Page[LayerVersion], error) {
	return do[Page[LayerVersion]](ctx, c, http.MethodGet, at("pricebook", "layers"), nil, nil)
}

// LayerVersions lists the contents that a layer had, latest first.
func (c *Client) LayerVersions(ctx context.Context, layer string, o ListOptions) (Page[LayerVersion], error) {
	return do[Page[LayerVersion]](ctx, c, http.MethodGet, at("pricebook", "layers", layer, "versions"), o.params(), nil)
}

// LayerContent shows the rows of a layer; version "latest" is the one in use.
func (c *Client) LayerContent(ctx context.Context, layer, version string) (LayerContent, error) {
	return do[LayerContent](ctx, c, http.MethodGet, at("pricebook", "layers", layer, "versions", version), nil, nil)
}

// PriceBooks lists the books that priced events, latest first.
func (c *Client) PriceBooks(ctx context.Context, o ListOptions) (Page[PriceBook], error) {
	return do[Page[PriceBook]](ctx, c, http.MethodGet, at("pricebook", "books"), o.params(), nil)
}

// TestPrices prices a call that nobody made.
func (c *Client) TestPrices(ctx context.Context, q PriceQuestion) (PriceTrial, error) {
	return do[PriceTrial](ctx, c, http.MethodPost, at("pricebook", "test"), nil, q)
}

// PriceFeeds lists the catalogues that prices are read from.
func (c *Client) PriceFeeds(ctx context.Context) (Page[PriceFeed], error) {
	return do[Page[PriceFeed]](ctx, c, http.MethodGet, at("pricebook", "feeds"), nil, nil)
}

// SyncPrices looks at the feeds now; dry only says what would be taken.
func (c *Client) SyncPrices(ctx context.Context, dry bool) (PriceSync, error) {
	return do[PriceSync](ctx, c, http.MethodPost, at("pricebook", "sync"), nil, map[string]bool{"dry_run": dry})
}

// HeldPrices lists changes that wait for a person. state is one of them, several
// with commas between, or all; empty: those that wait.
func (c *Client) HeldPrices(ctx context.Context, state string, o ListOptions) (Page[HeldPrice], error) {
	return do[Page[HeldPrice]](ctx, c, http.MethodGet, at("pricebook", "held"), o.params("state", state), nil)
}

// ApprovePrice lets a held change be taken at the next look.
func (c *Client) ApprovePrice(ctx context.Context, id string) (HeldPrice, error) {
	return do[HeldPrice](ctx, c, http.MethodPost, at("pricebook", "held", id, "approve"), nil, nil)
}

// RejectPrice keeps a held change from being taken, and from being asked again.
func (c *Client) RejectPrice(ctx context.Context, id string) (HeldPrice, error) {
	return do[HeldPrice](ctx, c, http.MethodPost, at("pricebook", "held", id, "reject"), nil, nil)
}
