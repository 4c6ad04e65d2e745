// Package page is what the pages of the operator's console and of the
// customer's portal are made of: one layout, one stylesheet, one small script,
// the template functions that write figures the same way everywhere, charts
// that are tables first, CSV that a spreadsheet cannot be attacked with, and
// the headers that let a browser run nothing but ours.
//
// A [Site] renders templates. Each *.html of its file system is a page that
// defines "title" and "content"; a file that begins with "_" is a partial, and
// what it defines is there for all pages and replaces blocks of the same name.
// The dot of a page is a [View]: what the handler gave is .Data, and inside of
// a range or with the view is still $.
//
//	{{define "title"}}Keys{{end}}
//	{{define "content"}}
//	{{range .Data.Keys}}<a href="{{query $.URL "key" .ID}}">{{.Name}}</a> {{ago .Created}}{{end}}
//	{{template "chart" .Data.Chart}}
//	{{end}}
//
// The partials of this package are "chart" (takes a *[Chart]), "period" (takes
// the view, and wants .Data.Period), "tile" (takes a [Tile]), "pager" (takes a
// [Pager]) and "empty" (takes an [Empty]).
//
// The functions of templates, and what they take:
//
//	cost C            a metering.Cost as an estimate reads: $1,234.50, $0.000182, <$0.000001, never an exponent, never $0.00 for something
//	money V [CUR]     "12.35 USD", a Stringer that says so, or the amount and the currency: $12.35 USD
//	price N           micro-dollars per million tokens: $2.50/M
//	number N          1,234,567
//	decimal S         an exact decimal with grouped digits
//	tokens N          12.3k, with the whole number as title
//	percent A B       A of B: 12.3 %, <0.1 %
//	share A B         the same as a bar
//	instant T         2026-11-25 15:40:20 UTC, of metering.Micros or time.Time
//	day T             2026-11-25
//	clock T           11-25 15:40:20, in a list whose head names the zone
//	ago T             3 m ago, with the instant as title
//	duration D        820 ms, of a time.Duration; "between FROM TO" of two instants
//	short ID          the ends of an identifier, the whole of it as title
//	query URL K V …   the URL with parameters changed; an empty value removes one, and "cursor" goes unless it is given
//	href P K V …      a path with parameters, those that are empty left out
//	badge KIND TEXT   a state: kinds ok, warn, bad, info, plain
//	csvcell S         what WriteCSV writes for S
//	asset NAME        the URL of an asset with its content hash
package page
