package page_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

func TestCost(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "$0.00", "0.000000000001": "<$0.000001", "0.000000999999": "<$0.000001", "0.000001": "$0.000001", "0.000182": "$0.000182",
		"0.0001824": "$0.000182", "0.0001825": "$0.000183", "0.009": "$0.009", "0.0099999": "$0.01", "0.00999999": "$0.01", "0.01": "$0.01", "0.014999": "$0.01", "0.015": "$0.02",
		"1.005": "$1.01", "12.3": "$12.30", "1234567.891": "$1,234,567.89", "-1.5": "-$1.50", "-0.0000000001": "-<$0.000001", "-0.000182": "-$0.000182",
	} {
		c, err := metering.ParseCost(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Cost(c); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

// TestDollarsHTML: what has more decimals than a cost is shown as one, and whole
// behind it.
func TestDollarsHTML(t *testing.T) {
	t.Parallel()
	for exact, want := range map[string]string{
		"1.2345678901234567": `<data value="1.2345678901234567" title="$1.2345678901234567">$1.23</data>`,
		"-0.0001825000001":   `<data class="negative" value="-0.0001825000001" title="$-0.0001825000001">-$0.000183</data>`,
		"9":                  `<data value="9" title="$9">$9.00</data>`,
	} {
		if got, ok := page.DollarsHTML(exact); !ok || string(got) != want {
			t.Errorf("%s is written as %s", exact, got)
		}
	}
	for _, odd := range []string{"", "dear", "99999999999999999999999"} {
		if got, ok := page.DollarsHTML(odd); ok {
			t.Errorf("%q is written as %s", odd, got)
		}
	}
}

// TestCost_any: whatever the amount, it has no exponent, and nothing that is
// something reads as nothing.
func TestCost_any(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := metering.Cost{Micros: rapid.Int64Range(-1<<60, 1<<60).Draw(t, "micros") >> rapid.IntRange(0, 60).Draw(t, "shift"), Picos: rapid.Int64Range(0, 999_999).Draw(t, "picos")}
		got := page.Cost(c)
		if strings.ContainsAny(got, "eE") || (got == "$0.00" || strings.Trim(got, "-$0.,") == "") != c.IsZero() || strings.HasPrefix(got, "-") != (c.Micros < 0) {
			t.Errorf("%s is shown as %s", c, got)
		}
	})
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	equal := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for n, want := range map[int64]string{
		0: "0", 999: "999", 9_999: "9,999", 10_000: "10.0k", 12_345: "12.3k", 99_999: "99.9k", 123_999: "123k", 999_999: "999k", 1_000_000: "1.00M", 4_567_890: "4.56M",
		45_678_900: "45.6M", 7_891_000_000: "7.89B", -12_345: "-12.3k", 2_500_000_000_000: "2.50T", math.MaxInt64: "9,223P",
	} {
		equal(page.Tokens(n), want)
	}
	equal(page.Number(-1_234_567), "-1,234,567")
	equal(page.Number(math.MinInt64), "-9,223,372,036,854,775,808")
	equal(page.Price(2_500_000), "$2.50/M")
	equal(page.Price(1_234_567_890), "$1,234.56789/M")
	equal(page.Price(75_000), "$0.075/M")
	equal(page.Money("1234567.8", "USD"), "$1,234,567.8 USD")
	equal(page.Money("-12", "JPY"), "-¥12 JPY")
	equal(page.Money("1.234", "KWD"), "1.234 KWD")
	equal(page.Percent(1, 8), "12.5 %")
	equal(page.Percent(1, 100_000), "<0.1 %")
	equal(page.Percent(99_999, 100_000), ">99.9 %")
	equal(page.Percent(0, 5), "0.0 %")
	equal(page.Percent(5, 5), "100.0 %")
	equal(page.Percent(5, 0), "–")
	equal(page.Percent(math.MaxInt64/2, math.MaxInt64), "50.0 %")
	equal(page.Duration(820*time.Millisecond), "820 ms")
	equal(page.Duration(1420*time.Millisecond), "1.42 s")
	equal(page.Duration(125*time.Second), "2 m 05 s")
	equal(page.Duration(200*time.Minute), "3 h 20 m")
	equal(page.Duration(98*time.Hour), "4 d 2 h")
	equal(page.Duration(-time.Second), "-1.00 s")
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	equal(page.Ago(now, 0), "never")
	equal(page.Ago(now, metering.MicrosOf(now)), "just now")
	equal(page.Ago(now, metering.MicrosOf(now.Add(-3*time.Minute))), "3 m ago")
	equal(page.Ago(now, metering.MicrosOf(now.Add(72*time.Hour))), "in 3 d")
	equal(page.Instant(metering.MicrosOf(now)), "2026-11-25 12:00:00 UTC")
	equal(page.Short("01a2139a-226f-7b42-b583-20ce676e5b6a"), "01a2…676e5b6a")
}

// TestFuncs renders every function of templates.
func TestFuncs(t *testing.T) {
	t.Parallel()
	type amount struct{}
	for template, want := range map[string]string{
		`{{money "12.35 USD"}}`:                       `<data value="12.35" title="12.35 USD">$12.35 USD</data>`,
		`{{money "-3" "EUR"}}`:                        `<data class="negative" value="-3" title="-3 EUR">-€3 EUR</data>`,
		`{{tokens 123456}}`:                           `<data value="123456" title="123,456">123k</data>`,
		`{{number 1234}}`:                             `<data value="1234" title="1,234">1,234</data>`,
		`{{decimal "1234.5<"}}`:                       `<data value="1234.5&lt;" title="1234.5&lt;">1,234.5&lt;</data>`,
		`{{badge "ok" "<b>"}}`:                        `<span class="badge ok"><span aria-hidden="true">✓</span> &lt;b&gt;</span>`,
		`{{short "<script>alert(1)</script>"}}`:       `<code title="&lt;script&gt;alert(1)&lt;/script&gt;">&lt;scr…/script&gt;</code>`,
		`{{instant .Data}}`:                           `<time datetime="2026-11-25T12:00:00.000000Z" title="2026-11-25T12:00:00.000000Z">2026-11-25 12:00:00 UTC</time>`,
		`{{day .Data}} {{clock .Data}} {{ago .Data}}`: `<time datetime="2026-11-25T12:00:00.000000Z" title="2026-11-25T12:00:00.000000Z">2026-11-25</time> <time datetime="2026-11-25T12:00:00.000000Z" title="2026-11-25T12:00:00.000000Z">11-25 12:00:00</time> <time datetime="2026-11-25T12:00:00.000000Z" title="2026-11-25T12:00:00.000000Z">30 m ago</time>`,
		`{{share 1 4}}`:                               `<span class="share"><svg aria-hidden="true" width="100%" height="6"><rect width="25.0%" height="6" rx="3"/></svg>25.0 %</span>`,
		`{{percent 1 4}}`:                             `25.0 %`,
		`{{href "/a" "x" "1 2" "y" ""}}`:              `/a?x=1&#43;2`,
		`{{query .URL "a" "" "b" "<"}}`:               `/console/x?b=%3C`,
		`{{csvcell "=1+1"}}`:                          `&#39;=1&#43;1`,
		`{{price 150000}}`:                            `$0.15/M`,
	} {
		s := site(t, fstest.MapFS{"x.html": file(`{{define "title"}}X{{end}}{{define "content"}}` + template + `{{end}}`)})
		w := httptest.NewRecorder()
		s.Render(w, get("/console/x?a=1", "HX-Request", "true"), http.StatusOK, "x", metering.MicrosOf(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)))
		if got := w.Body.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", template, got, want)
		}
	}
	for _, bad := range []string{`{{money "12"}}`, `{{badge "moon" "x"}}`, `{{asset "moon"}}`, `{{number "x"}}`, `{{query .URL "a"}}`, `{{instant "x"}}`} {
		s := site(t, fstest.MapFS{"x.html": file(`{{define "title"}}X{{end}}{{define "content"}}` + bad + `{{end}}`)})
		w := httptest.NewRecorder()
		s.Render(w, get("/console/x"), http.StatusOK, "x", amount{})
		if w.Code != http.StatusInternalServerError {
			t.Errorf("%s is shown as %s", bad, w.Body)
		}
	}
}

// TestWriteCSV: no cell is a formula, and numbers stay numbers (S30).
func TestWriteCSV(t *testing.T) {
	t.Parallel()
	cells := map[string]string{
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+1": "'+1", "-1": "-1", "-1.5": "-1.5", "-1+2": "'-1+2", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx",
		"  =1": "'  =1", "plain": "plain", "": "", "a=b": "a=b", "-": "'-", "-1e3": "-1e3", "\n=1": "'\n=1",
	}
	header, row, want := []string{"=id"}, []string{"x"}, []string{"x"}
	for in, out := range cells {
		if got := page.CSVCell(in); got != out {
			t.Errorf("cell %q becomes %q, want %q", in, got, out)
		}
		header, row, want = append(header, "h"), append(row, in), append(want, strings.ReplaceAll(out, "\r\n", "\n"))
	}
	w := httptest.NewRecorder()
	if err := page.WriteCSV(w, "a b\".csv", header, [][]string{row}); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(w.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got[1]); diff != "" || got[0][0] != "'=id" {
		t.Errorf("%s %q", diff, got[0][0])
	}
	if d := w.Header().Get("Content-Disposition"); d != `attachment; filename="a b\".csv"` {
		t.Errorf("disposition %s", d)
	}
}

// TestAssets: hashed names that may be kept, compressed or not, and nothing
// else.
func TestAssets(t *testing.T) {
	t.Parallel()
	s := site(t, fstest.MapFS{"x.html": file(`{{define "title"}}X{{end}}{{define "content"}}{{asset "app.css"}} {{asset "echarts.min.js"}} {{asset "htmx.min.js"}} {{asset "app.js"}} {{asset "icon.svg"}}{{end}}`)})
	w := httptest.NewRecorder()
	s.Render(w, get("/console/x", "HX-Request", "true"), http.StatusOK, "x", nil)
	for _, u := range strings.Fields(w.Body.String()) {
		plain, packed := httptest.NewRecorder(), httptest.NewRecorder()
		page.Assets().ServeHTTP(plain, get(u))
		page.Assets().ServeHTTP(packed, get(u, "Accept-Encoding", "br, gzip"))
		if plain.Code != 200 || !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") || plain.Header().Get("Content-Encoding") != "" || packed.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %d %v %v", u, plain.Code, plain.Header(), packed.Header())
		}
		zip, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if content, err := io.ReadAll(zip); err != nil || !bytes.Equal(content, plain.Body.Bytes()) {
			t.Errorf("%s differs when it is compressed: %v", u, err)
		}
		if strings.Contains(u, "app-") && strings.HasSuffix(u, ".css") && plain.Body.Len() > 15<<10 {
			t.Errorf("the stylesheet has %d bytes", plain.Body.Len())
		}
	}
	refused := httptest.NewRecorder()
	page.Assets().ServeHTTP(refused, get(strings.Fields(w.Body.String())[0], "Accept-Encoding", "gzip;q=0"))
	if refused.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for who refuses it")
	}
	for _, bad := range []string{"/assets/", "/assets/app.css", "/assets/../site.go", "/assets/build.sh"} {
		w := httptest.NewRecorder()
		page.Assets().ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: bad}, Header: http.Header{}})
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

func TestParsePeriod(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 30, 0, 0, time.FixedZone("x", 3600))
	for query, want := range map[string]string{
		"":                              "25 Nov 2026 00:00 to 26 Nov 2026 00:00 UTC",
		"period=24h":                    "24 Nov 2026 12:00 to 25 Nov 2026 12:00 UTC",
		"period=month":                  "1 Nov 2026 00:00 to 1 Dec 2026 00:00 UTC",
		"from=2026-11-01&to=2026-11-02": "1 Nov 2026 00:00 to 2 Nov 2026 00:00 UTC",
		"from=2026-11-01T10:30:00%2B02:00&to=2026-11-02": "1 Nov 2026 08:30 to 2 Nov 2026 00:00 UTC",
		"from=2026-11-25": "25 Nov 2026 00:00 to 25 Nov 2026 12:00 UTC",
		"to=2026-11-25":   "26 Oct 2026 00:00 to 25 Nov 2026 00:00 UTC",
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		preset := "24h"
		if query == "" {
			preset, want = "7d", "19 Nov 2026 00:00 to 26 Nov 2026 00:00 UTC"
		}
		p, err := page.ParsePeriod(v, now, preset)
		if err != nil || p.String() != want {
			t.Errorf("%q is %s, %v, want %s", query, p, err, want)
		}
		again, err := page.ParsePeriod(url.Values{"from": {p.FromText()}, "to": {p.ToText()}}, now, "24h")
		if err != nil || again.From != p.From || again.To != p.To {
			t.Errorf("%q does not survive a link: %s, %v", query, again, err)
		}
	}
	for _, bad := range []string{"period=x", "from=x", "from=2026-11-02&to=2026-11-01", "from=2026-11-01&to=2026-11-01", "from=1026-11-01&to=2026-11-01", "from=2020-01-01&to=2026-01-01"} {
		v, err := url.ParseQuery(bad)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := page.ParsePeriod(v, now, "24h"); err == nil {
			t.Errorf("%q is %s", bad, p)
		}
	}
	day, err := page.ParsePeriod(url.Values{"period": {"7d"}}, now, "")
	if err != nil || len(day.Buckets(page.Daily)) != 7 || len(day.Buckets(page.Hourly)) != 6*24+12 || !day.Running() || day.DefaultBucket() != page.Daily {
		t.Errorf("a week: %d days, %d hours, %v", len(day.Buckets(page.Daily)), len(day.Buckets(page.Hourly)), err)
	}
}

func TestChart(t *testing.T) {
	t.Parallel()
	c := &page.Chart{
		Title: "Cost <1>", Kind: page.Bars, Unit: page.UnitUSD, Axis: "Day (UTC)", Labels: []string{"2026-11-01", "2026-11-02"}, Partial: true, Totals: []string{"1.000182"},
		Series: []page.Series{{Name: "a\"b", Values: []string{"1", "0.000182"}}, {Name: "gap", Values: []string{"", "2"}}}, Links: []string{"/x", "/y"},
	}
	s := site(t, fstest.MapFS{"x.html": file(`{{define "title"}}X{{end}}{{define "content"}}{{template "chart" .Data}}{{end}}`)})
	w := httptest.NewRecorder()
	s.Render(w, get("/console/x", "HX-Request", "true"), http.StatusOK, "x", c)
	for _, part := range []string{`<a href="/y">2026-11-02</a>`, `running`, `>$0.000182</data>`, `>–</data>`, `a&#34;b`, `Cost &lt;1&gt;`, `<th scope="row">Total</th>`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("no %s in %s", part, w.Body)
		}
	}
	text, err := c.JSON()
	if err != nil || !json.Valid([]byte(text)) || !strings.Contains(text, `"0.000182"`) {
		t.Errorf("%s, %v", text, err)
	}
	c.Series[0].Values = nil
	if _, err := c.JSON(); err == nil {
		t.Error("a series without values")
	}
	names := []string{"gpt-4o", "gpt-4o-mini", "o3", "a", "b", "c", "d", "e", page.Other}
	slots := page.Slots(names)
	seen := make(map[int]int)
	for _, slot := range slots[:page.Palette] {
		seen[slot]++
	}
	if len(seen) != page.Palette || slots[7] != page.Palette || slots[8] != page.Palette || page.Slots(names[:1])[0] != slots[0] {
		t.Errorf("colours %v", slots)
	}
}
