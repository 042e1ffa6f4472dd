package api

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A document is the OpenAPI document as tests need it.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Parameters map[string]parameter `json:"parameters"`
		Responses  map[string]response  `json:"responses"`
		Schemas    map[string]any       `json:"schemas"`
	} `json:"components"`

	t        testing.TB
	compiler *jsonschema.Compiler
}

type operation struct {
	Parameters  []parameter `json:"parameters"`
	RequestBody struct {
		Content map[string]media `json:"content"`
	} `json:"requestBody"`
	Responses map[string]response `json:"responses"`
}

type parameter struct {
	Ref     string `json:"$ref"`
	Name    string `json:"name"`
	In      string `json:"in"`
	Example any    `json:"example"`
	Schema  struct {
		Ref     string   `json:"$ref"`
		Enum    []string `json:"enum"`
		Pattern string   `json:"pattern"`
		Minimum *int     `json:"minimum"`
		Maximum *int     `json:"maximum"`
	} `json:"schema"`
}

type response struct {
	Ref     string                     `json:"$ref"`
	Content map[string]media           `json:"content"`
	Headers map[string]json.RawMessage `json:"headers"`
}

type media struct {
	Schema  any `json:"schema"`
	Example any `json:"example"`
}

const documentURL = "https://example.org/openapi.json"

// readDocument reads the document as it is served.
func readDocument(t testing.TB) *document {
	t.Helper()
	body := send(newHandler(t), "GET", "/api/v1/openapi.json").Body.Bytes()
	d := document{t: t}
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler = jsonschema.NewCompiler()
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(documentURL, whole); err != nil {
		t.Fatal(err)
	}
	return &d
}

// schema compiles the schema that is at these names in the document.
func (d *document) schema(names ...string) *jsonschema.Schema {
	d.t.Helper()
	pointer := ""
	for _, n := range names {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(n)
	}
	s, err := d.compiler.Compile(documentURL + "#" + pointer)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// parameters returns the parameters of an operation that are of one kind.
func (d *document) parameters(o operation, in string) (list []parameter) {
	d.t.Helper()
	for _, p := range o.Parameters {
		if name, found := strings.CutPrefix(p.Ref, "#/components/parameters/"); found {
			p, found = d.Components.Parameters[name]
			if !found {
				d.t.Fatalf("there is no parameter %s", name)
			}
		}
		if p.In == in {
			list = append(list, p)
		}
	}
	return list
}

// response returns what an operation says of a status, and where in the document that is.
func (d *document) response(path, method string, status int) (r response, names []string, found bool) {
	d.t.Helper()
	code := strconv.Itoa(status)
	r, found = d.Paths[path][method].Responses[code]
	names = []string{"paths", path, method, "responses", code}
	if name, ref := strings.CutPrefix(r.Ref, "#/components/responses/"); ref {
		if r, ref = d.Components.Responses[name]; !ref {
			d.t.Fatalf("there is no response %s", name)
		}
		names = []string{"components", "responses", name}
	}
	return r, names, found
}

// check holds an answer against what the document says of the operation.
func (d *document) check(path, method, asked string, w *httptest.ResponseRecorder) {
	d.t.Helper()
	r, names, found := d.response(path, method, w.Code)
	if !found {
		d.t.Errorf("%s answers %d, of which the document of %s says nothing: %.300s", asked, w.Code, path, w.Body)
		return
	}
	for name := range r.Headers {
		if w.Header().Get(name) == "" && name != "Link" {
			d.t.Errorf("%s: the answer %d has no header %s", asked, w.Code, name)
		}
	}
	kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if len(r.Content) == 0 {
		if w.Body.Len() > 0 {
			d.t.Errorf("%s: the answer %d has content", asked, w.Code)
		}
		return
	}
	if _, found := r.Content[kind]; !found || err != nil {
		d.t.Errorf("%s: the answer %d is %q (%v)", asked, w.Code, kind, err)
		return
	}
	if kind == "text/plain" {
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		d.t.Errorf("%s: %v in %.300s", asked, err, w.Body)
		return
	}
	if err := d.schema(append(names, "content", kind, "schema")...).Validate(value); err != nil {
		d.t.Errorf("%s: the answer %d is not as documented: %v\n%.2000s", asked, w.Code, err, w.Body)
	}
}

// TestRoutesAreDocumented keeps routes and document the same: every address, and every parameter
// that is taken there. Two addresses are answered by another package.
func TestRoutesAreDocumented(t *testing.T) {
	d := readDocument(t)
	paths := map[string]bool{"/api/v1/updates": true, "/api/v1/activities.json": true}
	for _, r := range routes {
		path := Prefix + r.path
		paths[path] = true
		o, found := d.Paths[path]["get"]
		if !found {
			t.Errorf("%s is not in the document", path)
			continue
		}
		var names []string
		for _, p := range d.parameters(o, "query") {
			names = append(names, p.Name)
			if p.Name == "limit" && (p.Schema.Maximum == nil || *p.Schema.Maximum != r.most) {
				t.Errorf("%s takes a limit of %d, which the document does not say", path, r.most)
			}
		}
		if got, want := slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(r.params)); !slices.Equal(got, want) {
			t.Errorf("%s takes %v, the document says %v", path, want, got)
		}
		if _, after, named := strings.Cut(path, "{"); named {
			name, _, _ := strings.Cut(after, "}")
			if list := d.parameters(o, "path"); len(list) != 1 || list[0].Name != name {
				t.Errorf("%s: the document names %v in the path", path, list)
			}
		}
	}
	for path := range d.Paths {
		if !paths[path] {
			t.Errorf("the document has %s, which is not answered", path)
		}
	}
}

// TestExamples holds the document's examples against its schemas.
func TestExamples(t *testing.T) {
	d := readDocument(t)
	examples := 0
	check := func(content map[string]media, names ...string) {
		for kind, m := range content {
			if m.Example == nil {
				continue
			}
			examples++
			if err := d.schema(append(names, "content", kind, "schema")...).Validate(m.Example); err != nil {
				t.Errorf("the example of %v: %v", names, err)
			}
		}
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			check(o.RequestBody.Content, "paths", path, method, "requestBody")
			for code, r := range o.Responses {
				if r.Ref == "" {
					check(r.Content, "paths", path, method, "responses", code)
				}
			}
		}
	}
	for name, r := range d.Components.Responses {
		check(r.Content, "components", "responses", name)
	}
	for name, p := range d.Components.Parameters {
		if p.Example != nil {
			examples++
			if err := d.schema("components", "parameters", name, "schema").Validate(p.Example); err != nil {
				t.Errorf("the example of %s: %v", name, err)
			}
		}
	}
	if examples < 35 {
		t.Errorf("there are only %d examples", examples)
	}
}

// TestSchemasAreClosed keeps the crawl able to fail: a member that the document does not have must
// not pass. Schemas whose name ends in Fields are what closed ones are made of.
func TestSchemasAreClosed(t *testing.T) {
	d := readDocument(t)
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			_, props := v["properties"]
			_, all := v["allOf"]
			if (props || all) && v["additionalProperties"] != false && v["unevaluatedProperties"] != false {
				t.Errorf("%s takes any member", name)
			}
			for k, x := range v {
				walk(name+"/"+k, x)
			}
		case []any:
			for _, x := range v {
				walk(name, x)
			}
		}
	}
	for name, s := range d.Components.Schemas {
		if !strings.HasSuffix(name, "Fields") && name != "Document" {
			walk(name, s)
		}
		d.schema("components", "schemas", name) // is one
	}
	if err := d.schema("components", "schemas", "Problem").Validate(map[string]any{"status": 400}); err == nil {
		t.Error("half a problem passes")
	}
}

// TestDocumentIsClean reads the file without the server's help: one value, and nothing behind it.
func TestDocumentIsClean(t *testing.T) {
	dec := json.NewDecoder(bytes.NewReader(openAPI))
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Errorf("something stands behind the document: %v", err)
	}
	// References that lead nowhere are found by whoever follows them; those nobody follows here.
	text := string(openAPI)
	for _, kind := range []string{"schemas", "parameters", "responses", "headers"} {
		for name := range v.(map[string]any)["components"].(map[string]any)[kind].(map[string]any) {
			if ref := `"#/components/` + kind + "/" + name + `"`; !strings.Contains(text, ref) {
				t.Errorf("%s is defined and not used", ref)
			}
		}
	}
}
