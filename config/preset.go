package config

import "slices"

// Preset is what is known of one vendor.
type Preset struct {
	// Name is what Upstream.Preset says.
	Name string
	// Title is the vendor's name as it writes it.
	Title string
	// Dialect is its wire protocol.
	Dialect string
	// Provider is its name in the price book; empty: the upstream's own name.
	Provider string
	// BaseURL is where it is; empty: the operator must say, like Example.
	BaseURL string
	Example string
	// Header and Scheme are where its key goes: Header: Scheme key.
	Header string
	Scheme string
	// KeyOptional: a server that may run without keys.
	KeyOptional bool
	// Local: a server that people run themselves, in a network of their own.
	Local bool
	// SDKPath is what its SDKs expect in their base URL after the host.
	SDKPath string
	// IncludeUsage is the default of Upstream.IncludeUsage.
	IncludeUsage string
	// Quirks are facts an operator should know, a sentence each.
	Quirks []string
}

// Places of a provider's key.
const (
	headerAuthorization = "Authorization"
	schemeBearer        = "Bearer"
)

// Dialects.
const (
	dialectOpenAI    = "openai"
	dialectAnthropic = "anthropic"
	dialectGemini    = "gemini"
	dialectCohere    = "cohere"
	dialectBedrock   = "bedrock"
	dialectBytes     = "bytes"
	dialectS3        = "s3"
	dialectCustom    = "custom"
)

// dialects are the wire protocols this version reads.
func dialects() []string {
	return []string{
		dialectOpenAI, dialectAnthropic, dialectGemini, dialectCohere, dialectBedrock, dialectBytes, dialectS3, dialectCustom,
	}
}

// compatiblePreset is the preset of an upstream that is no known vendor.
const compatiblePreset = "openai-compatible"

// PresetNamed returns the vendor of that name.
func PresetNamed(name string) (Preset, bool) {
	all := Presets()
	i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return all[i], true
}

func compatible() Preset {
	p, _ := PresetNamed(compatiblePreset) // it is in the table; a test holds that
	return p
}

// speaking returns the preset with another dialect: the key goes where that
// protocol's own vendor has it, and nothing is known of base URL or streams.
func (p Preset) speaking(dialect string) Preset {
	vendor := compatible()
	for _, v := range Presets() {
		if v.Name == dialect {
			vendor = v
		}
	}
	p.Dialect, p.SDKPath, p.IncludeUsage = dialect, vendor.SDKPath, vendor.IncludeUsage
	if p.Name == compatiblePreset {
		p.Header, p.Scheme = vendor.Header, vendor.Scheme
	}
	return p
}
