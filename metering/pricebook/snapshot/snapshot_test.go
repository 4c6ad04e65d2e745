package snapshot_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/snapshot"
)

// heads are the first lines of the tables.
func heads() map[string]string {
	return map[string]string{
		"skus.csv":      "provider,sku,kind,base,context,max_output,released,deprecated,retired,moving,aliases,dated,sources,note\n",
		"matches.csv":   "provider,type,pattern,sku,region,endpoint,priority,from,to,sources,note\n",
		"rates.csv":     "provider,sku,when,prices,per,from,to,status,guaranteed,confirmed,reason,minimum,step,sources,note\n",
		"modifiers.csv": "provider,skus,meters,multiply,when,order,alone,from,to,status,sources,note\n",
		"calendars.csv": "id,zone,days,ranges,holidays,holidays_to,basis,sources,note\n",
	}
}

// dir is a directory with these lines in its tables.
func dir(tables map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, lines := range tables {
		out[name] = &fstest.MapFile{Data: []byte("# a comment\n" + heads()[name] + lines)}
	}
	return out
}

func instant(t *testing.T, s string) catalogue.Instant {
	t.Helper()
	i, err := catalogue.ParseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestRead: every column becomes what it says.
func TestRead(t *testing.T) {
	t.Parallel()
	got, err := snapshot.Read(dir(map[string]string{
		"skus.csv":      "p,m,chat,base,1000,20,2026-01-02,2026-02-03,2026-03-04,yes,a b,yes,s t,\"a note, quoted\"\n",
		"matches.csv":   "p,region_prefix,us.,*,us,data_zone,3,2026-01-01,2026-02-01,s,n\n",
		"rates.csv":     "p,m,tier=batch above=200000 region=us quality=high|hd calendar=c any=speed counts=input|output,input.*=2.50 output= cache_read=0,,2026-01-01,2026-02-01T12:00:00Z,promo,2026-01-15,2026-01-03,condition: x,10,0.5,s,n\np,*,pool=x window=day zone=UTC beyond=5,search=7,1000,,,,,,,,,s,\n",
		"modifiers.csv": "p,m k,tokens output,1.1,speed=fast,2,yes,2026-01-01,,provisional,s,n\n",
		"calendars.csv": "c,UTC,mon fri,01:00-02:00 03:00-04:00,2026-10-01,2027-01-01,end,s,n\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	price := func(s string) *string { return &s }
	rate := catalogue.Rate{
		Provider: "p", SKU: "m", Meter: "input.*", Price: price("2.50"), From: instant(t, "2026-01-01"), To: instant(t, "2026-02-01T12:00:00Z"),
		Status: catalogue.StatusPromo, Guaranteed: instant(t, "2026-01-15"), Confirmed: instant(t, "2026-01-03"), Minimum: "10", Step: "0.5",
		Sources: []string{"s"}, Note: "n",
		When: catalogue.When{
			Tier: "batch", Region: "us", Calendar: "c", Above: 200_000, Counts: []string{"input", "output"}, Any: []string{"speed"},
			Attributes: []catalogue.Attribute{{Name: "quality", Values: []string{"high", "hd"}}},
		},
	}
	none, free := rate, rate
	none.Meter, none.Price, none.Reason = "output", nil, "condition: x"
	free.Meter, free.Price = "cache_read", price("0")
	want := catalogue.Rows{
		SKUs: []catalogue.SKU{{
			Provider: "p", SKU: "m", Kind: "chat", Base: "base", Context: 1000, MaxOutput: 20, MovingAlias: true,
			Released: instant(t, "2026-01-02"), Deprecated: instant(t, "2026-02-03"), Retired: instant(t, "2026-03-04"), Sources: []string{"s", "t"}, Note: "a note, quoted",
		}},
		Matches: []catalogue.Match{
			{Provider: "p", Type: catalogue.MatchExact, Pattern: "a", SKU: "m", Sources: []string{"s", "t"}},
			{Provider: "p", Type: catalogue.MatchExact, Pattern: "b", SKU: "m", Sources: []string{"s", "t"}},
			{Provider: "p", Type: catalogue.MatchDateSuffix, Pattern: "m", SKU: "m", Sources: []string{"s", "t"}},
			{
				Provider: "p", Type: catalogue.MatchRegionPrefix, Pattern: "us.", SKU: "*", Region: "us", Endpoint: "data_zone", Priority: 3,
				From: instant(t, "2026-01-01"), To: instant(t, "2026-02-01"), Sources: []string{"s"}, Note: "n",
			},
		},
		Rates: []catalogue.Rate{rate, none, free, {
			Provider: "p", SKU: "*", Meter: "search", Price: price("7"), Per: 1000, Sources: []string{"s"},
			When: catalogue.When{Volume: &catalogue.Volume{Pool: "x", Window: "day", Zone: "UTC", From: 5}},
		}},
		Modifiers: []catalogue.Modifier{{
			Provider: "p", SKUs: []string{"m", "k"}, Meters: []string{"tokens", "output"}, Multiply: "1.1", When: catalogue.When{Speed: "fast"},
			Order: 2, Alone: true, From: instant(t, "2026-01-01"), Status: catalogue.StatusProvisional, Sources: []string{"s"}, Note: "n",
		}},
		Calendars: []catalogue.Calendar{{
			ID: "c", Zone: "UTC", Days: []string{"mon", "fri"}, Ranges: []string{"01:00-02:00", "03:00-04:00"}, Holidays: []string{"2026-10-01"},
			HolidaysTo: instant(t, "2027-01-01"), Basis: "end", Sources: []string{"s"}, Note: "n",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRead_refused: what is not certain to be meant is an error that names the
// line; the first line of a table is line 3 of its file here.
func TestRead_refused(t *testing.T) {
	t.Parallel()
	f := func(file, lines, want string) {
		t.Helper()
		_, err := snapshot.Read(dir(map[string]string{file: lines}))
		if !errors.Is(err, metering.ErrInvalid) || !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", lines, err, want)
		}
	}
	f("rates.csv", "p,m,,input=1,,,,,,,,,,s,\np,m,,input=1,,,,,,,,,,s,\n", "line 4: it is about the same as line 3")
	f("rates.csv", "p,m,,input=1 output=2,,,,,,,,,,s,\np,n,,input=1,,,,,,,,,,s,\np,m,,output=3,,,,,,,,,,s,\n", "line 5: it is about the same as line 3: rate p m output")
	f("rates.csv", "p,m,,input=1 input=2,,,,,,,,,,s,\n", "line 3: it is about the same as line 3: rate p m input")
	f("rates.csv", "p,m,tier=flex region=us,input=1,,,,,,,,,,s,\np,m,region=us tier=flex,input=1,,,,,,,,,,s,\n", "line 4: it is about the same as line 3")
	f("rates.csv", "p,m,,input=1,,,,,,,,,,,\n", "line 3: sources are needed")
	f("rates.csv", "p,m,,,,,,,,,,,,s,\n", "line 3: neither prices nor meters")
	f("rates.csv", "p,m,,input,,,,,,,,,,s,\n", "line 3: price \"input\" is not meter=decimal")
	f("rates.csv", "p,m,,input=1,,,,,,,condition: x,,,s,\n", "line 3: a reason and no meter without a price")
	f("rates.csv", "p,m,tier=,input=1,,,,,,,,,,s,\n", "line 3: condition \"tier=\" is not name=value")
	f("rates.csv", "p,m,above=-1,input=1,,,,,,,,,,s,\n", "line 3: above \"-1\" is no count")
	f("rates.csv", "p,m,,input=1,1.5,,,,,,,,,s,\n", "line 3: per \"1.5\" is no count")
	f("rates.csv", "p,m,,input=1,,yesterday,,,,,,,,s,\n", "line 3: from is \"yesterday\"")
	f("skus.csv", "p,m,,,,,,,,perhaps,,,s,\n", "line 3: moving is \"perhaps\"")
	f("skus.csv", "p,m,,,,,,,,,a,,s,\np,n,,,,,,,,,a,,s,\n", "line 4: it is about the same as line 3: alias p a")
	f("skus.csv", "p,m,,,,,,,,,,,s,\np,m,chat,,,,,,,,,,s,\n", "line 4: it is about the same as line 3: sku p m")
	f("matches.csv", "p,exact,a,m,,,,,,s,\np,exact,a,n,,,,,,s,\n", "line 4: it is about the same as line 3: match p exact a")
	f("modifiers.csv", "p,m k,,2,speed=fast,,,,,,s,\np,k,,3,speed=fast,,,,,,s,\n", "line 4: it is about the same as line 3: modifier p k")
	f("modifiers.csv", "p,,,2,,,,,,,s,\np,,,3,,,,,,,s,\n", "line 4: it is about the same as line 3: modifier p *")
	f("calendars.csv", "c,UTC,,01:00-02:00,,,,s,\nc,UTC,,02:00-03:00,,,,s,\n", "line 4: it is about the same as line 3: calendar c")
	f("rates.csv", "p,m,,input=1,,,,,,,,,,\xff,\n", "it is not UTF-8")
	for head, want := range map[string]string{
		strings.Replace(heads()["rates.csv"], "prices", "prices,colour", 1): "columns are",
		strings.Replace(heads()["rates.csv"], "prices", "price", 1):         "columns are",
		"":                                      "read the header",
		heads()["rates.csv"] + "p,m,,input=1\n": "wrong number of fields",
		heads()["rates.csv"] + "p,m,\"x,input=1\n": "line 2",
	} {
		_, err := snapshot.Read(fstest.MapFS{"rates.csv": &fstest.MapFile{Data: []byte(head)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", head, err, want)
		}
	}
}

// TestLayers: what ships is read, lies where it should and is the same each time.
func TestLayers(t *testing.T) {
	t.Parallel()
	layers, err := snapshot.Layers()
	if err != nil {
		t.Fatal(err)
	}
	again, err := snapshot.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != 2 || layers[0].Level != catalogue.Embedded || layers[1].Level != catalogue.Overlay {
		t.Fatalf("%d layers", len(layers))
	}
	for i, l := range layers {
		if l.Version == "" || l.Version != again[i].Version {
			t.Errorf("%s has versions %q and %q", l.Level, l.Version, again[i].Version)
		}
		t.Logf("%s %s: %+v", l.Level, l.Version, l.Counts())
	}
	if n := layers[0].Counts(); n.SKUs < 650 || n.Rates < 2800 || n.Modifiers != 0 || n.Calendars != 0 {
		t.Errorf("the snapshot has %+v", n)
	}
	if n := layers[1].Counts(); n.Modifiers < 15 || n.Calendars < 2 || n.Rates < 300 {
		t.Errorf("the overlay has %+v", n)
	}
}

// FuzzRead: no text breaks the reader, and what it takes, a layer takes or
// refuses, and keeps as it was read.
func FuzzRead(f *testing.F) {
	f.Add("p,m,,input=1 output=,,2026-01-01,,promo,,,condition: x,,,s,n\n", "p,m,tokens,2,speed=fast,1,yes,,,,s,\n", "c,UTC,mon,01:00-02:00,2026-10-01,,,s,\n")
	f.Add("p,*,pool=x window=day beyond=3 any=tier|region,search=14,1000,,,,,,,,,s,\n", "", "")
	f.Add("p,m,above=3 marginal=4 counts=input,input=1,,,,,,,,,,s,\n", "p,,,2,,,,,,,s,\n", "\"")
	f.Fuzz(func(t *testing.T, rates, modifiers, calendars string) {
		rows, err := snapshot.Read(dir(map[string]string{"rates.csv": rates, "modifiers.csv": modifiers, "calendars.csv": calendars}))
		if err != nil {
			return
		}
		for i := range rows.Rates {
			if len(rows.Rates[i].Sources) == 0 {
				t.Errorf("nobody says rate %d: %+v", i, rows.Rates[i])
			}
		}
		l, err := catalogue.NewLayer(catalogue.Overlay, rows)
		if err != nil {
			return
		}
		text, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := catalogue.Restore(l.Ref(), text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.Rows, back.Rows, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("kept and read again it differs:\n%s", diff)
		}
	})
}
