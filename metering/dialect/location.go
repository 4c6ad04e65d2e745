package dialect

import (
	"net/url"
	"strings"
)

// Location is the region that the address of an upstream names: "us-east-1" of
// https://bedrock-runtime.us-east-1.amazonaws.com, "eu" of https://eu.api.openai.com,
// "global" of Vertex's global endpoint; "" if it names none. Answers do not say where
// they were made, and prices differ by it
// (https://docs.cloud.google.com/vertex-ai/docs/generative-ai/learn/locations,
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html,
// https://developers.openai.com/api/docs/guides/data-residency).
func Location(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	if named := pathLocation(u.Path + "/"); named != "" {
		return named
	}
	host := strings.ToLower(u.Hostname())
	if rest, ok := strings.CutSuffix(host, ".googleapis.com"); ok {
		return vertexLocation(rest)
	}
	if region, ok := strings.CutSuffix(host, ".api.openai.com"); ok {
		return place(region)
	}
	return bedrockLocation(host)
}

// vertexLocation reads a host of Vertex up to Google's domain.
func vertexLocation(rest string) string {
	if rest == "aiplatform" {
		return locationGlobal
	}
	if region, ok := strings.CutSuffix(rest, "-aiplatform"); ok {
		return place(region)
	}
	region, multi := strings.CutSuffix(strings.TrimPrefix(rest, "aiplatform."), ".rep")
	if multi && strings.HasPrefix(rest, "aiplatform.") {
		return place(region)
	}
	return ""
}

// bedrockLocation reads a host of AWS: the region stands behind the service, also
// where the host is that of an endpoint inside a private network.
func bedrockLocation(host string) string {
	for _, domain := range [...]string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"} {
		rest, ok := strings.CutSuffix(host, domain)
		if !ok {
			continue
		}
		labels := strings.Split(rest, ".")
		for i, label := range labels[:len(labels)-1] {
			switch label {
			case "bedrock-runtime", "bedrock-runtime-fips", "bedrock", "bedrock-fips", "bedrock-mantle":
				return place(labels[i+1])
			}
		}
	}
	return ""
}

const locationGlobal = "global"

// pathLocation is the region in a path of Google Cloud,
// …/projects/PROJECT/locations/LOCATION/….
func pathLocation(path string) string {
	_, rest, ok := strings.Cut(path, "/locations/")
	if !ok || !strings.Contains(path[:len(path)-len(rest)], "/projects/") {
		return ""
	}
	region, _, _ := strings.Cut(rest, "/")
	return place(region)
}

// place is a name if it can be one of a region: nothing else becomes a fact of a
// call.
func place(name string) string {
	const longest = 32
	if len(name) > longest {
		return ""
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return ""
		}
	}
	return name
}
