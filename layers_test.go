package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/weirhq/weir"

// layer says what the packages of a tree may import. Where several layers match
// a package, the longest path holds.
type layer struct {
	path string   // of the package or the tree, from the root; "" is main
	own  []string // ours that it may import, trees too; "*" is anything
}

// layers is the import graph. A package that no layer matches is an error, so
// that a new one has to find its place here.
func layers() []layer {
	meters, money := "metering", "billing"
	return []layer{
		{"", []string{"*"}},
		{"config", nil},
		{"metering", []string{meters}},
		{"metering/sqldb", []string{meters, "deploy/schema"}},
		{"metering/sqlstore", []string{meters, "deploy/schema"}},
		{"metering/meteringtest", []string{meters, "deploy/schema"}},
		{"billing", []string{money, meters}},
		{"billing/sqlstore", []string{money, meters, "deploy/schema"}},
		{"billing/billingtest", []string{money, meters, "deploy/schema"}},
		{"proxy", []string{meters}},
		{"proxy/proxytest", []string{meters}},
		{"proxy/awssign", []string{"proxy", meters}},
		{"proxy/gate", []string{"proxy", money, meters}},
		{"proxy/objects", []string{"proxy", money, meters}},
		{"proxy/api", []string{"proxy", money, meters}},
		{"proxy/page", []string{meters}},
		{"proxy/console", []string{"proxy", money, meters}},
		{"proxy/portal", []string{"proxy", money, meters}},
		{"deploy/schema", nil},
		{"deploy", []string{"*"}}, // benchmarks and tests of the whole program
	}
}

// restricted are imports that only some packages may have, whatever layer they
// are in.
type restricted struct {
	path    string   // of the import, with all beneath it
	allowed []string // packages, exactly; main is always allowed
	tests   bool     // holds for test files too
	why     string
}

func restrictions() []restricted {
	stores := []string{"metering/sqldb", "metering/sqlstore", "billing/sqlstore", "deploy/schema", "metering/meteringtest", "billing/billingtest", "proxy/objects/sqlstore", "proxy/objects/deferred/sqlstore"}
	ours := func(p string) string { return module + "/" + p }
	return []restricted{
		{"github.com/valyala/fasthttp", []string{"proxy"}, false, "only the data plane speaks fasthttp"},
		{"github.com/tidwall/gjson", []string{"metering/dialect"}, false, "only the dialects read JSON off the wire"},
		{ours("metering/memory"), nil, false, "only main chooses a counter"},
		{ours("metering/redis"), nil, false, "only main chooses a counter"},
		{ours("metering/sqlstore"), []string{"billing/billingtest"}, false, "only main chooses a store"},
		{ours("billing/sqlstore"), []string{"billing/billingtest"}, false, "only main chooses a store"},
		{ours("billing/stripe"), nil, false, "only main chooses a payment provider"},
		{ours("billing/sandbox"), nil, false, "only main chooses a payment provider"},
		{ours("proxy/awssign"), nil, false, "only main chooses how calls are signed"},
		{"github.com/aws", []string{"proxy/awssign"}, false, "only the signer knows AWS's SDK"},
		{ours("deploy/schema"), stores, false, "only the stores migrate"},
		{ours("metering/meteringtest"), []string{"billing/billingtest"}, false, "a test package in production code"},
		{ours("billing/billingtest"), nil, false, "a test package in production code"},
		{ours("proxy/proxytest"), nil, false, "a test package in production code; main has it for the sandbox"},
		{"database/sql", stores, false, "only the stores speak SQL"},
		{"github.com/jackc/pgx", stores, false, "only the stores know an engine"},
		{"modernc.org/sqlite", stores, false, "only the stores know an engine"},
		{"github.com/pressly/goose", []string{"deploy/schema"}, false, "only the schema migrates"},
		{"github.com/redis/go-redis", []string{"metering/redis", "metering/meteringtest"}, false, "only the Redis counter speaks Redis"},
		{"testing", []string{"metering/meteringtest", "billing/billingtest", "proxy/proxytest"}, false, "testing in production code"},
		{"math/rand", nil, false, "random numbers are not for money; where jitter is wanted, math/rand/v2"},
		{"log", nil, true, "log/slog"},
		{"github.com/stretchr/testify", nil, true, "the standard library and go-cmp"},
		{"unsafe", nil, true, "no"},
	}
}

// exact are imports that match as they stand and not with all beneath them.
func exact(p string) bool {
	return slices.Contains([]string{"log", "testing", "math/rand"}, p)
}

// floatless are the trees in which nothing is a float and no clock is read,
// B28.
func floatless() []string { return []string{"billing", "metering/pricebook"} }

// repository checks the Go files of fsys and returns what breaks the rules.
func repository(fsys fs.FS) ([]string, error) {
	var broken []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (base == "testdata" || base == "node_modules" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f := source{name, strings.TrimPrefix(path.Dir(name), "."), strings.HasSuffix(name, "_test.go"), fset, file}
		broken = append(broken, f.check()...)
		return nil
	})
	return broken, err
}

// source is one parsed file.
type source struct {
	name string // path of the file
	pkg  string // path of its package from the root, "" for main
	test bool
	fset *token.FileSet
	file *ast.File
}

func (s source) check() []string {
	var broken []string
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return append(broken, fmt.Sprintf("%s: import %s: %v", s.name, spec.Path.Value, err))
		}
		broken = append(broken, s.layering(imported)...)
		broken = append(broken, s.restricted(imported)...)
	}
	if !s.test {
		broken = append(broken, s.code()...)
	}
	return broken
}

// layering checks an import of ours against the graph. Tests may use whatever
// shows what they test, so the graph is that of the program.
func (s source) layering(imported string) []string {
	own, ok := strings.CutPrefix(imported, module+"/")
	if !ok || s.test {
		return nil
	}
	var at *layer
	for _, l := range layers() {
		if (l.path == s.pkg || l.path != "" && within(s.pkg, l.path)) && (at == nil || len(l.path) >= len(at.path)) {
			at = &l
		}
	}
	if at == nil {
		return []string{fmt.Sprintf("%s: package %s has no place in layers()", s.name, s.pkg)}
	}
	for _, may := range at.own {
		if may == "*" || within(own, may) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: %s must not import %s", s.name, s.pkg, own)}
}

func (s source) restricted(imported string) []string {
	var broken []string
	for _, r := range restrictions() {
		hit := imported == r.path || !exact(r.path) && within(imported, r.path)
		if !hit || s.test && !r.tests {
			continue
		}
		self := within(module+"/"+s.pkg, r.path)
		allowed := s.pkg == "" || self || slices.Contains(r.allowed, s.pkg) || within(s.pkg, "deploy") && s.pkg != "deploy/schema"
		if r.tests {
			allowed = slices.Contains(r.allowed, s.pkg)
		}
		if !allowed {
			broken = append(broken, fmt.Sprintf("%s: imports %s: %s", s.name, imported, r.why))
		}
	}
	return broken
}

// code checks what is not an import.
func (s source) code() []string {
	var broken []string
	report := func(pos token.Pos, what string) {
		broken = append(broken, fmt.Sprintf("%s:%d: %s", s.name, s.fset.Position(pos).Line, what))
	}
	noFloats := slices.ContainsFunc(floatless(), func(tree string) bool { return within(s.pkg, tree) })
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				report(n.Pos(), "func init: whoever needs something calls it")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && noFloats && slices.Contains([]string{"Now", "Since", "Until"}, f.Sel.Name) {
				if x, ok := f.X.(*ast.Ident); ok && x.Name == "time" {
					report(n.Pos(), "time."+f.Sel.Name+" near money: the time is passed in")
				}
			}
		case *ast.Ident:
			if noFloats && slices.Contains([]string{"float32", "float64", "complex64", "complex128"}, n.Name) {
				report(n.Pos(), n.Name+" near money")
			}
		case *ast.BasicLit:
			if noFloats && (n.Kind == token.FLOAT || n.Kind == token.IMAG) {
				report(n.Pos(), "the float "+n.Value+" near money")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && noFloats && slices.Contains([]string{"ParseFloat", "FormatFloat", "AppendFloat", "SetFloat64", "Float64"}, n.Sel.Name) {
				report(n.Pos(), x.Name+"."+n.Sel.Name+" near money")
			}
		}
		return true
	})
	return broken
}

// within reports whether p is tree or beneath it.
func within(p, tree string) bool { return p == tree || strings.HasPrefix(p, tree+"/") }

// TestLayers holds the import graph and what else a reader of the design may
// rely on.
func TestLayers(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	broken, err := repository(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}

// TestLayers_FindsViolations feeds the rules one violation each, and code that
// keeps them.
func TestLayers_FindsViolations(t *testing.T) {
	t.Parallel()
	imports := func(paths ...string) string {
		var text strings.Builder
		text.WriteString("package p\n")
		for _, p := range paths {
			fmt.Fprintf(&text, "import _ %q\n", strings.Replace(p, "weir:", module+"/", 1))
		}
		return text.String()
	}
	for _, tt := range []struct {
		name, file, text, want string
	}{
		{"metering imports billing", "metering/x.go", imports("weir:billing"), "metering must not import billing"},
		{"metering imports the proxy", "metering/ship/x.go", imports("weir:proxy"), "metering/ship must not import proxy"},
		{"metering imports itself", "metering/ship/x.go", imports("weir:metering", "weir:metering/journal"), ""},
		{"billing imports the proxy", "billing/rating/x.go", imports("weir:proxy/gate"), "billing/rating must not import proxy/gate"},
		{"billing imports metering", "billing/x.go", imports("weir:metering"), ""},
		{"the data plane imports billing", "proxy/x.go", imports("weir:billing"), "proxy must not import billing"},
		{"the data plane imports the gate", "proxy/x.go", imports("weir:proxy/gate"), "proxy must not import proxy/gate"},
		{"the gate imports billing", "proxy/gate/x.go", imports("weir:billing", "weir:metering/admission"), ""},
		{"config imports metering", "config/x.go", imports("weir:metering"), "config must not import metering"},
		{"a package nobody placed", "helpers/x.go", imports("weir:metering"), "has no place"},
		{"the API imports config", "proxy/api/x.go", imports("weir:config"), "proxy/api must not import config"},
		{"main imports config", "main.go", imports("weir:config", "weir:metering/redis", "weir:proxy/proxytest"), ""},
		{"the API chooses a store", "proxy/api/x.go", imports("weir:metering/sqlstore"), "only main chooses a store"},
		{"a test of the API may", "proxy/api/x_test.go", imports("weir:metering/sqlstore"), ""},
		{"a store migrates", "metering/sqlstore/x.go", imports("weir:deploy/schema", "modernc.org/sqlite", "database/sql"), ""},
		{"the journal knows SQL", "metering/journal/x.go", imports("database/sql"), "only the stores speak SQL"},
		{"the data plane knows AWS", "proxy/x.go", imports("github.com/aws/aws-sdk-go-v2/aws"), "only the signer"},
		{"the gate chooses a signer", "proxy/gate/x.go", imports("weir:proxy/awssign"), "only main chooses"},
		{"the signer knows AWS", "proxy/awssign/x.go", imports("weir:proxy", "github.com/aws/aws-sdk-go-v2/aws/signer/v4"), ""},
		{"the console speaks fasthttp", "proxy/console/x.go", imports("github.com/valyala/fasthttp/fasthttputil"), "only the data plane"},
		{"the data plane reads JSON", "proxy/x.go", imports("github.com/tidwall/gjson"), "only the dialects"},
		{"a dialect reads JSON", "metering/dialect/x.go", imports("github.com/tidwall/gjson"), ""},
		{"a test package in production", "metering/ship/x.go", imports("weir:metering/meteringtest"), "a test package in production code"},
		{"testing in production", "metering/ship/x.go", imports("testing"), "testing in production code"},
		{"testing/synctest in a test", "metering/ship/x_test.go", imports("testing", "testing/synctest"), ""},
		{"old random numbers", "metering/ship/x.go", imports("math/rand"), "random numbers"},
		{"log", "main.go", imports("log"), "log/slog"},
		{"log/slog", "main.go", imports("log/slog"), ""},
		{"testify in a test", "metering/x_test.go", imports("github.com/stretchr/testify/assert"), "go-cmp"},
		{"a float type", "billing/x.go", "package p\nvar x float64\n", "float64 near money"},
		{"a float literal", "metering/pricebook/sync/x.go", "package p\nvar x = 1.5\n", "the float 1.5 near money"},
		{"a parsed float", "billing/x.go", "package p\nvar x, _ = strconv.ParseFloat(s, 64)\n", "strconv.ParseFloat near money"},
		{"a float elsewhere", "proxy/x.go", "package p\nvar x float64 = 1.5\n", ""},
		{"a float in a test", "billing/x_test.go", "package p\nvar x float64 = 1.5\n", ""},
		{"a clock near money", "billing/work/x.go", "package p\nvar x = time.Now()\n", "time.Now near money"},
		{"a clock passed in", "billing/work/x.go", "package p\nvar x = time.Now\n", ""},
		{"a clock elsewhere", "proxy/x.go", "package p\nvar x = time.Now()\n", ""},
		{"init", "proxy/x.go", "package p\nfunc init() {}\n", "func init"},
		{"a method named init", "proxy/x.go", "package p\nfunc (t T) init() {}\n", ""},
		{"test data is not code", "proxy/testdata/x.go", "package p\nfunc init() {}\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := repository(fstest.MapFS{tt.file: {Data: []byte(tt.text)}})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("found %q in what is allowed", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got %q, want one that says %q", got, tt.want)
			}
		})
	}
}
