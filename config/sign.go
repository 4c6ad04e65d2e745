package config

import (
	"net/url"
	"regexp"
	"strings"
)

// Sign is how calls are signed for AWS (Signature Version 4), for those who have
// no API key of Bedrock. A request's whole body is signed, so that one above
// limits.inspect is held in memory, up to 25 MB, which is the most that Bedrock
// takes; beyond it is 413. Keys are read once: temporary ones, with a session
// token, need a restart before they expire, and instance roles are not asked.
type Sign struct {
	// Service is the name that AWS signs for: "bedrock" for hosts of
	// bedrock-runtime, "bedrock-mantle" for those of bedrock-mantle, "s3" for stores
	// that speak S3. A client of S3 puts its Weir key where its access key id goes,
	// with any secret; bodies are streamed through and not signed.
	Service string `yaml:"service"`

	// Region is the region of the host, such as us-east-1.
	Region string `yaml:"region"`

	// AccessKeyID and SecretAccessKey are an IAM user's or role's key.
	AccessKeyID     Secret `yaml:"access_key_id"`
	SecretAccessKey Secret `yaml:"secret_access_key"`

	// SessionToken belongs to temporary keys. Default: none.
	SessionToken Secret `yaml:"session_token"`
}

// Set reports whether calls are to be signed: any field says so.
func (s Sign) Set() bool {
	return s.Service != "" || s.Region != "" || !s.AccessKeyID.IsZero() || !s.SecretAccessKey.IsZero() || !s.SessionToken.IsZero()
}

// awsName is what names of services and regions look like.
var awsName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func checkSign(p *problems, path string, t Target) {
	s := t.Sign
	if !s.Set() {
		return
	}
	at := path + ".sign"
	switch {
	case t.Auth != AuthWeir:
		p.add(at, "would never be used with auth: "+t.Auth)
	case len(t.Credentials) > 0:
		p.add(at, "and credentials exclude each other: a call is either signed or carries a key")
	}
	if !awsName.MatchString(s.Service) {
		p.add(at+".service", "want the name that AWS signs for: bedrock, bedrock-mantle for hosts of that name, or s3")
	}
	if !awsName.MatchString(s.Region) {
		p.add(at+".region", "want a region, such as us-east-1")
	} else if u, err := url.Parse(t.BaseURL); err == nil && isAWS(u.Hostname()) && !strings.Contains("."+u.Hostname(), "."+s.Region+".") {
		p.add(at+".region", "is not the region of base_url, and AWS would refuse every call")
	}
	checkKeyPart(p, at+".access_key_id", s.AccessKeyID, true)
	checkKeyPart(p, at+".secret_access_key", s.SecretAccessKey, true)
	checkKeyPart(p, at+".session_token", s.SessionToken, false)
}

// checkKeyPart checks one part of a key of AWS, and quotes nothing of it.
func checkKeyPart(p *problems, path string, s Secret, required bool) {
	switch {
	case s.IsZero() && required:
		p.add(path, "is missing; write ${NAME_OF_A_VARIABLE} or ${file:/path}. Instance roles and profiles are not asked")
	case strings.ContainsFunc(s.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		p.add(path, "has a space, line end or other character that no key of AWS has")
	}
}

// isAWS reports whether a host is one of AWS's own, whose name has the region.
func isAWS(host string) bool {
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") || strings.HasSuffix(host, ".api.aws")
}
