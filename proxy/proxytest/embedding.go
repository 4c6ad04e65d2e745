package proxytest

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
)

// embedding answers with vectors of length one.
// https://platform.openai.com/docs/api-reference/embeddings
func embedding(x *exchange) {
	inputs := texts(x.body["input"])
	if len(inputs) == 0 || len(inputs) > 2048 {
		x.fail(http.StatusBadRequest, "", "'input' must have between 1 and 2048 items")
		return
	}
	size := int64(1536)
	if strings.HasSuffix(x.model, "large") {
		size = 3072
	}
	if n := whole(x.body["dimensions"]); n > 0 {
		size = min(n, size)
	}
	p := newPrompt(openAI)
	p.count = 0
	data := make([]object, 0, len(inputs))
	for i, in := range inputs {
		in.count(p)
		data = append(data, object{{"object", "embedding"}, {"index", i}, {"embedding", vector(in.text, size, x.body["encoding_format"] == "base64")}})
	}
	x.record.Input = p.count
	body := object{{"object", "list"}, {"data", data}, {"model", dated(x.model)}}
	if !x.fault.noUsage {
		body = body.with("usage", object{{"prompt_tokens", p.count}, {"total_tokens", p.count}})
	}
	x.answer(body, nil)
}

// vector is the embedding of a text, or its bytes as base64.
func vector(of string, size int64, packed bool) any {
	h := fnv.New64a()
	_, _ = h.Write([]byte(of)) // a hash takes everything
	random := rand.New(rand.NewPCG(h.Sum64(), 11))
	numbers := make([]float32, size)
	var square float64
	for i := range numbers {
		v := random.NormFloat64()
		numbers[i], square = float32(v), square+v*v
	}
	for i := range numbers {
		numbers[i] /= float32(math.Sqrt(square))
	}
	if !packed {
		return numbers
	}
	b := make([]byte, 0, 4*size)
	for _, v := range numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(b)
}
