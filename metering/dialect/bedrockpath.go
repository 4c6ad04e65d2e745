package dialect

import "strings"

// CanonicalPath implements [Pathed]: an identifier may be an ARN, whose slashes
// its paths carry percent-encoded. Such a path is canonical if what the slashes
// separate would be canonical segments of their own: no server then comes to
// another path by decoding it but to one below that identifier.
func (bedrock) CanonicalPath(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	segments := strings.Split(string(path[1:]), "/")
	for i := 1; i < len(segments); i++ {
		if !holdsIdentifier(segments[i-1]) || !isARN(segments[i]) {
			continue
		}
		segments[i] = strings.NewReplacer("%2F", "/", "%2f", "/").Replace(segments[i])
		if strings.HasSuffix(segments[i], "/") {
			return false
		}
	}
	return CanonicalPath([]byte("/" + strings.Join(segments, "/")))
}

// holdsIdentifier reports whether an identifier follows the segment of that name.
func holdsIdentifier(segment string) bool {
	if segment == "model" {
		return true
	}
	_, ok := bedrockCollection("GET", segment, nil)
	return ok
}

// isARN reports whether a segment is an ARN, its colons encoded or not. Other
// identifiers have no slashes.
func isARN(segment string) bool {
	for _, prefix := range [...]string{"arn:", "arn%3A", "arn%3a"} {
		if strings.HasPrefix(segment, prefix) {
			return true
		}
	}
	return false
}
