// Package catalogue is the data that a price book is made of: five tables of
// facts, in layers that lie one above the other.
//
//	sku       what is sold: a model, or everything of a provider
//	match     how an id that a call or an answer names finds an SKU
//	rate      what one unit of one meter costs, when, and under which conditions
//	modifier  what multiplies rates under conditions
//	calendar  hours that conditions refer to
//
// Rows are never edited. A price is followed by the next one; what was wrong is
// superseded by a new row that names it. A whole layer is one value: it is
// replaced as one, under a version that its content decides.
//
// What the rows mean for a call is package pricebook's business.
package catalogue
