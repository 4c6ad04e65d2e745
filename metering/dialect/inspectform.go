package dialect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

const (
	// maxFormField is the longest value of a form field that is looked at: a model
	// name that is refused for its length is shorter.
	maxFormField = 4 << 10
	// maxFormParts is how many parts a form may have. A body with more of them is
	// refused: one that is behind could name a second model.
	maxFormParts = 1024
)

// isMultipart recognises forms.
func isMultipart(contentType string) bool {
	return len(contentType) > len("multipart/") && strings.EqualFold(contentType[:len("multipart/")], "multipart/")
}

// readForm reads the small fields of a form, which may come before and behind its
// files. What is no form it leaves to the upstream to refuse; like two models of a
// JSON object, two of a form are refused.
func (q *Request) readForm(r Route, contentType string, body []byte) error {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil
	}
	model := modelField{}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err != nil {
			break // its end, or no form: the upstream will say so
		}
		if n == maxFormParts {
			return fmt.Errorf("form has more than %d parts: %w", maxFormParts, metering.ErrInvalid)
		}
		name, kept, err := dispositionName(part.Header)
		if err != nil {
			return err
		}
		if name == "" || !kept {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFormField))
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err := q.field(name, string(value), &model, r); err != nil {
			return err
		}
	}
	if q.Model == "" {
		q.Model = model.name
	}
	return nil
}

// formName reads the head of a part: its name, and whether it is a field that is
// looked at.
func formName(head []byte) (name string, kept bool, err error) {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(head))).ReadMIMEHeader()
	if err != nil {
		return "", false, fmt.Errorf("head of a part: %w", metering.ErrInvalid)
	}
	return dispositionName(h)
}

// dispositionName is formName of a head that has been read. A file that is called
// model is a model to a server that does not care for the file's name. Two
// dispositions are one to one reader and the other to the next.
func dispositionName(h textproto.MIMEHeader) (name string, kept bool, err error) {
	all := h["Content-Disposition"]
	if len(all) > 1 {
		return "", false, fmt.Errorf("part has two dispositions: %w", metering.ErrInvalid)
	}
	if len(all) == 0 {
		return "", false, nil
	}
	disposition, params, err := mime.ParseMediaType(all[0])
	if err != nil && strings.Contains(strings.ToLower(all[0]), "model") {
		return "", false, fmt.Errorf("disposition of a part: %w", metering.ErrInvalid)
	}
	if err != nil || disposition != "form-data" {
		return "", false, nil
	}
	name = params["name"]
	_, file := params["filename"]
	return name, !file || strings.EqualFold(name, "model"), nil
}

// field reads one field as the member of a JSON object that it would be.
func (q *Request) field(name, value string, model *modelField, r Route) error {
	raw := gjson.AppendJSONString(nil, value)
	if strings.EqualFold(name, "model") {
		return model.see(raw)
	}
	switch name {
	case "n":
		q.Choices = max(q.Choices, requested([]byte(value)))
	case "stream":
		q.Stream = r.Stream || value == "true" || value == "True" || value == "1"
	default:
		q.form(name, raw, r)
	}
	return nil
}
