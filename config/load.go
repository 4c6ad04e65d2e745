package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Load reads the configuration from the file at path, or [Default] where path
// is empty, and completes it from the environment, which env looks up like
// [os.LookupEnv]. Everything that is wrong comes back in one [*Error]; a file
// that cannot be read is the error of reading it.
func Load(path string, env func(string) (string, bool)) (Config, error) {
	var text []byte
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
		text = b
	}
	c, found := parse(text, env)
	for _, p := range c.Validate() {
		if !found.touch(p.Path) { // what could not be read is not missing too
			found = append(found, p)
		}
	}
	if len(found) > 0 {
		return Config{}, &Error{File: path, Problems: found}
	}
	return c, nil
}

// parse reads text over the defaults and applies the environment.
func parse(text []byte, env func(string) (string, bool)) (Config, problems) {
	d := &decoder{expander: expander{env}, set: map[string]bool{}}
	c := base()
	root, err := document(text)
	if err != nil {
		d.add("", err.Error())
		return Default(), d.problems
	}
	if root != nil {
		d.decode("", root, reflect.ValueOf(&c).Elem())
	}
	if !d.set["upstreams"] {
		c.Upstreams = Default().Upstreams
		if !d.touch("upstreams") {
			d.fallbackKey(&c)
		}
	}
	d.environment(&c)
	return c, d.problems
}

// document returns the one document of a file, nil if it is empty.
func document(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, fmt.Errorf("not valid YAML: %w", err)
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New(`want one document, without "---" in between`)
	}
	return doc.Content[0], nil
}

// fallbackKey gives the upstream of a configuration without upstreams its key.
func (d *decoder) fallbackKey(c *Config) {
	key, _ := d.env("OPENAI_API_KEY")
	if key == "" {
		d.add("upstreams.openai.credentials", "no upstream is configured, and OPENAI_API_KEY, which would stand for OpenAI, is not set; set it or name upstreams in a configuration file")
		return
	}
	openai := c.Upstreams["openai"]
	openai.Credentials = []Credential{{Key: NewSecret(key)}}
	c.Upstreams["openai"] = openai
}

// environment applies the variables that need no mention in a file. WEIR_LISTEN
// is Weir's own and overrides it. The others are names that programs share, so
// they only count where the file is silent.
func (d *decoder) environment(c *Config) {
	get := func(name string) string {
		v, _ := d.env(name)
		return v
	}
	if v := get("WEIR_LISTEN"); v != "" {
		c.Listen = v
	} else if port := get("PORT"); port != "" && !d.set["listen"] {
		c.Listen = ":" + port // a platform that assigns PORT connects from outside
	}
	if v := get("REDIS_URL"); v != "" && !d.set["redis"] {
		c.Redis = NewSecret(v)
	}
	if v := get("DATABASE_URL"); v != "" && !d.set["database"] {
		c.Database = NewSecret(v)
	}
}
