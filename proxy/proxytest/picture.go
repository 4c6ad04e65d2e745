package proxytest

import (
	"bytes"
	"encoding/base64"
	"image"
	_ "image/gif"  // sizes of the formats that the vendors take
	_ "image/jpeg" // likewise
	_ "image/png"  // likewise
	"strings"
)

// picture is the size of an image in pixels.
type picture struct{ width, height int64 }

// unseen is what an image counts as whose bytes the request does not carry.
func unseen() picture { return picture{1024, 1024} }

// pictureOf reads the size of an image from its bytes in base64.
func pictureOf(encoded string) picture {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return unseen()
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return unseen()
	}
	return picture{int64(c.Width), int64(c.Height)}
}

// pictureAt reads the size of an image from a data URL; others are not fetched.
func pictureAt(url string) picture {
	if head, encoded, ok := strings.Cut(url, ";base64,"); ok && strings.HasPrefix(head, "data:") {
		return pictureOf(encoded)
	}
	return unseen()
}

// tokens counts an image as the vendor does.
//
// OpenAI: https://platform.openai.com/docs/guides/images-vision#calculating-costs
// (low detail 85; otherwise fitted into 2048 by 2048, the shorter side to 768,
// then 85 and 170 for each tile of 512). Anthropic:
// https://docs.claude.com/en/docs/build-with-claude/vision (pixels/750, at most
// about 1600). Gemini: https://ai.google.dev/gemini-api/docs/tokens (258 if both
// sides are at most 384, otherwise for each tile of 768).
func (p picture) tokens(which api, low bool) int64 {
	switch which {
	case anthropic:
		return max(1, min(1600, p.width*p.height/750))
	case gemini:
		if p.width <= 384 && p.height <= 384 {
			return 258
		}
		return 258 * tiles(p.width, 768) * tiles(p.height, 768)
	default:
		if low {
			return 85
		}
		p = p.fitted(max(p.width, p.height), 2048)
		p = p.fitted(min(p.width, p.height), 768)
		return 85 + 170*tiles(p.width, 512)*tiles(p.height, 512)
	}
}

// fitted shrinks an image so that side becomes most, if it is longer.
func (p picture) fitted(side, most int64) picture {
	if side <= most {
		return p
	}
	return picture{max(1, p.width*most/side), max(1, p.height*most/side)}
}

func tiles(side, of int64) int64 { return max(1, (side+of-1)/of) }
