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
