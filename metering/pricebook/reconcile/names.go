package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// names finds the provider's name of a model that was recorded.
type names struct {
	known map[string]bool
	dated map[string][]string // by what is before the date
	whole bool                // the export does not name models
}

func namesOf(e *Export) *names {
	n := &names{known: make(map[string]bool), dated: make(map[string][]string), whole: e.hasUsage && !e.ByModel}
	add := func(model string) {
		if model == "" || model == AllModels || n.known[model] {
			return
		}
		n.known[model] = true
		if base, ok := undated(model); ok {
			n.dated[base] = append(n.dated[base], model)
		}
	}
	for i := range e.Usage {
		add(e.Usage[i].Model)
	}
	for i := range e.Costs {
		add(e.Costs[i].Model)
	}
	return n
}

// of is the name under which the provider has what was recorded: that of the
// model which answered, else the one that was asked for, else the only dated
// model of that name. What the provider does not know keeps its own name.
func (n *names) of(r *Recorded) string {
	if n.whole {
		return AllModels
	}
	for _, name := range []string{r.Served, r.Asked} {
		if name != "" && n.known[name] {
			return name
		}
	}
	for _, name := range []string{r.Served, r.Asked} {
		if dated := n.dated[name]; name != "" && len(dated) == 1 {
			return dated[0]
		}
	}
	if r.Served != "" {
		return r.Served
	}
	return r.Asked
}

// undated is a name without the date at its end: "gpt-4o-2024-08-06",
// "claude-sonnet-4-20250514".
func undated(model string) (base string, ok bool) {
	for _, layout := range []string{time.DateOnly, "20060102"} {
		at := len(model) - len(layout)
		if at < 2 || model[at-1] != '-' {
			continue
		}
		if _, err := time.Parse(layout, model[at:]); err == nil {
			return model[:at-1], true
		}
	}
	return "", false
}

// keys pairs the provider's ids of keys with our credentials.
type keys struct {
	credential map[string]string   // by the provider's id
	ids        map[string][]string // by credential
	all        []string            // the provider's ids, sorted
	paired     bool                // the only one on both sides
	compared   bool                // rows are compared by key
}

// pairKeys pairs what the options say, else the only key of both sides.
func (c *comparison) pairKeys(recorded []Recorded) *keys {
	k := &keys{credential: make(map[string]string), ids: make(map[string][]string)}
	seen := make(map[string]bool)
	for i := range c.export.Usage {
		if id := c.export.Usage[i].Key; id != "" && !seen[id] {
			seen[id] = true
			k.all = append(k.all, id)
		}
	}
	slices.Sort(k.all)
	for id, credential := range c.options.Keys {
		k.pair(id, credential)
		k.compared = k.compared || credential != NotOurs
	}
	if !c.export.ByKey {
		k.compared = false
		return k
	}
	ours := make(map[string]bool)
	for i := range recorded {
		if r := &recorded[i]; c.days[r.Day] && r.Credential != CredentialClient {
			ours[r.Credential] = true
		}
	}
	var open []string
	for _, id := range k.all {
		if k.credential[id] == "" {
			open = append(open, id)
		}
	}
	if len(c.options.Keys) == 0 && len(open) == 1 && len(ours) == 1 {
		for credential := range ours {
			if credential != "" {
				k.pair(open[0], credential)
				k.paired, k.compared = true, true
			}
		}
		return k
	}
	if len(open) > 0 && len(c.options.Keys) == 0 {
		c.export.note("nobody said which credential the keys %s are, so keys are not compared: --key ID=CREDENTIAL, where the credential is its last four characters, or - if Weir does not use it", strings.Join(open[:min(len(open), 10)], ", "))
	}
	return k
}

func (k *keys) pair(id, credential string) {
	k.credential[id] = credential
	if credential != NotOurs {
		k.ids[credential] = append(k.ids[credential], id)
		slices.Sort(k.ids[credential])
	}
}

// leftOut reports whether a key is not ours.
func (k *keys) leftOut(id string) bool { return id != "" && k.credential[id] == NotOurs }

// Rows of keys are named by the credential, or by the provider's id where nobody
// said whose it is.
const (
	byCredential = "credential "
	byID         = "id "
)

// ofKey is the row of the provider's key; empty: there is none.
func (k *keys) ofKey(id string) string {
	switch credential := k.credential[id]; {
	case !k.compared || id == "":
		return ""
	case credential != "":
		return byCredential + credential
	default:
		return byID + id
	}
}

// ofCredential is the row of a credential; empty: there is none.
func (k *keys) ofCredential(label string) string {
	if !k.compared || label == "" {
		return ""
	}
	return byCredential + label
}

// describe is what a row of keys shows.
func (k *keys) describe(row string) (credential, ids string) {
	if label, ok := strings.CutPrefix(row, byCredential); ok {
		return label, strings.Join(k.ids[label], ", ")
	}
	return "", strings.TrimPrefix(row, byID)
}

// list is what the report says of the keys.
func (k *keys) list() []KeyOf {
	out := make([]KeyOf, 0, len(k.all))
	for _, id := range k.all {
		out = append(out, KeyOf{id, k.credential[id], k.paired && k.credential[id] != ""})
	}
	return out
}

// ParseKeys reads pairs of the provider's id of a key and our credential.
func ParseKeys(list []string) (map[string]string, error) {
	out := make(map[string]string, len(list))
	for _, item := range list {
		id, credential, ok := strings.Cut(item, "=")
		if !ok || id == "" || credential == "" {
			return nil, fmt.Errorf("%.60q is not ID=CREDENTIAL", item)
		}
		out[id] = credential
	}
	return out, nil
}
