package fetch

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
)

// KeyVariable is the environment variable that holds the administrator's key.
func KeyVariable(provider string) string { return strings.ToUpper(provider) + "_ADMIN_KEY" }

// CheckKey refuses a key that cannot be an administrator's, by how it begins,
// before it is sent anywhere. ErrInvalid says what to do, and never has the key in
// it. What begins otherwise may be one, such as that of a proxy.
func CheckKey(provider, key string) error {
	if key == "" {
		return fmt.Errorf("no administrator's key: set %s; %s: %w", KeyVariable(provider), madeAt(provider), metering.ErrInvalid)
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("the administrator's key has blanks or other characters that no key has: is it cut right?: %w", metering.ErrInvalid)
	}
	for _, k := range []struct{ begins, what string }{
		{"weir_", "Weir's own"},
		{"sk-ant-admin", "an administrator's of Anthropic"}, {"sk-ant-", "one of Anthropic that calls models"},
		{"sk-admin-", "an administrator's of OpenAI"}, {"sk-proj-", "one of OpenAI that calls models"}, {"sk-svcacct-", "one of OpenAI that calls models"},
	} {
		if !strings.HasPrefix(key, k.begins) {
			continue
		}
		if provider == "anthropic" && k.begins == "sk-ant-admin" || provider == "openai" && k.begins == "sk-admin-" {
			return nil
		}
		return fmt.Errorf("the key is %s, and %s's reports want an administrator's (%s); %s: %w", k.what, provider, KeyVariable(provider), madeAt(provider), metering.ErrInvalid)
	}
	return nil
}

// madeAt says where an administrator's key is made.
func madeAt(provider string) string {
	if provider == "anthropic" {
		return "it begins with sk-ant-admin, and an administrator makes it in the Claude Console, Settings, Admin keys"
	}
	return "it begins with sk-admin-, and an owner makes it at platform.openai.com/settings/organization/admin-keys"
}
