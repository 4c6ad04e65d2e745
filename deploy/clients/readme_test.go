package clients_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/deploy/clients/box"
	"github.com/weirhq/weir/proxy/api"
)

// section is the README's on clients.
func section(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), "\n## Clients\n")
	text, _, ended := strings.Cut(rest, "\n## ")
	if !found || !ended {
		t.Fatal("the README has no section Clients")
	}
	return text
}

// snippets are blocks of code with the program of the roster for which they
// stand.
var snippets = regexp.MustCompile("(?ms)^<!-- client: (\\S+) -->\n```[a-z]+\n(.*?)^```$")

// testReadme runs what the README shows for each client.
func testReadme(t *testing.T, b *box.Box) {
	all := snippets.FindAllStringSubmatch(section(t), -1)
	shown := make([]string, 0, len(all))
	s := newSuite(t, b)
	if _, err := s.admin.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: "readme", Name: "readme"}); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		shown = append(shown, m[1])
		t.Run(m[1], func(t *testing.T) {
			t.Parallel()
			key, err := s.admin.CreateKey(t.Context(), api.NewKey{Customer: "readme", Name: m[1]})
			if err != nil {
				t.Fatal(err)
			}
			code := strings.NewReplacer("http://weir:8080", b.Proxy, "weir_live_…", key.Secret).Replace(m[2])
			out, complaint, err := command(t, "", nil, interpreter(t, m[1], code)...)
			if err != nil || len(strings.TrimSpace(out)) < 20 {
				t.Fatalf("%v\n%s\nprinted: %s%s", err, code, out, complaint)
			}
			if _, err := s.admin.Usage(t.Context(), api.UsageOptions{Customer: "readme", Sync: true}); err != nil {
				t.Fatal(err)
			}
			events := slices.DeleteFunc(listEvents(t, s.admin, "readme"), func(e api.Event) bool { return e.KeyID != key.ID })
			if len(events) != 1 || events[0].Outcome != "complete" || events[0].Usage.State != "exact" {
				t.Errorf("events: %+v", events)
			}
		})
	}
	if want := programs(roster()); !slices.Equal(sorted(shown), sorted(want)) {
		t.Errorf("the README shows %v, the suite plays %v", shown, want)
	}
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// interpreter is the command that runs a snippet. Go's gets what stands around it
// in any program.
func interpreter(t *testing.T, name, code string) []string {
	t.Helper()
	base := strings.TrimSuffix(name, filepath.Ext(name))
	switch filepath.Ext(name) {
	case ".go":
		program := "package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\n\t\"github.com/openai/openai-go/v3\"\n\t\"github.com/openai/openai-go/v3/option\"\n)\n\n" +
			"func main() {\n\tctx := context.Background()\n" + code + "\tif err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println(answer.Choices[0].Message.Content)\n}\n"
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"go", "run", file}
	case ".js":
		return []string{box.Node(t, "node_modules"), "--input-type=module", "-e", code}
	default:
		return []string{python(t, base), "-W", "ignore", "-c", code}
	}
}

// versions are of packages that the section names.
var versions = regexp.MustCompile("`([@a-z][a-z0-9@/.-]*)` ([0-9]+\\.[0-9.]+[0-9])")

// TestReadme_versions: what the README says is tested is what is installed, and
// nothing that is tested is missing.
func TestReadme_versions(t *testing.T) {
	t.Parallel()
	pins := make(map[string]string)
	for _, file := range []string{"package.json", "python/requirements.in", "python/requirements-llamaindex.in", "../examples/fastapi/requirements.txt", "../../go.mod"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pins[file] = string(b)
	}
	named := versions.FindAllStringSubmatch(section(t), -1)
	if len(named) < 14 {
		t.Errorf("the README names only %d versions", len(named))
	}
	for _, m := range named {
		forms := []string{
			fmt.Sprintf("%q: %q", m[1], m[2]), "\n" + m[1] + "==" + m[2] + "\n", "\n" + m[1] + "[openai]==" + m[2] + "\n", "\t" + m[1] + " v" + m[2] + "\n",
		}
		pinned := false
		for _, text := range pins {
			pinned = pinned || slices.ContainsFunc(forms, func(form string) bool { return strings.Contains("\n"+text, form) })
		}
		if !pinned {
			t.Errorf("nothing pins %s to %s", m[1], m[2])
		}
	}
}
