package dialect

import "encoding/json"

const jsonType = "application/json"

// ErrorBody implements [Dialect]; the shape and the types are those of
// https://platform.openai.com/docs/guides/error-codes.
func (openAI) ErrorBody(f Fault) ([]byte, string) {
	kind := "server_error"
	switch f.Status {
	case 402:
		kind = "insufficient_quota"
	case 403:
		kind = "permission_error"
	case 429:
		kind = "rate_limit_error"
	default:
		if f.Status < 500 {
			kind = "invalid_request_error"
		}
	}
	type object struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	}
	return render(map[string]object{"error": {Message: f.Message, Type: kind, Code: f.Code}})
}

// ErrorBody implements [Dialect]; the types by status are those of
// https://docs.anthropic.com/en/api/errors. The shape has no place for a code.
func (anthropic) ErrorBody(f Fault) ([]byte, string) {
	type object struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	return render(struct {
		Type  string `json:"type"`
		Error object `json:"error"`
	}{"error", object{anthropicType(f.Status), f.Message}})
}

func anthropicType(status int) string {
	switch status {
	case 401:
		return "authentication_error"
	case 402:
		return "billing_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 504:
		return "timeout_error"
	case 529:
		return "overloaded_error"
	default:
		if status < 500 {
			return "invalid_request_error"
		}
		return "api_error"
	}
}

// ErrorBody implements [Dialect]; the statuses are those of google.rpc.Code by
// HTTP status (https://cloud.google.com/apis/design/errors).
func (gemini) ErrorBody(f Fault) ([]byte, string) {
	type object struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	return render(map[string]object{"error": {f.Status, f.Message, googleStatus(f.Status)}})
}

func googleStatus(status int) string {
	switch status {
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "NOT_FOUND"
	case 409:
		return "ABORTED"
	case 402, 429:
		return "RESOURCE_EXHAUSTED"
	case 501:
		return "UNIMPLEMENTED"
	case 502, 503:
		return "UNAVAILABLE"
	case 504:
		return "DEADLINE_EXCEEDED"
	default:
		if status < 500 {
			return "INVALID_ARGUMENT"
		}
		return "INTERNAL"
	}
}

// ErrorBody implements [Dialect]: a message alone, and no place for a code
// (https://docs.cohere.com/reference/errors).
func (cohere) ErrorBody(f Fault) ([]byte, string) {
	return render(struct {
		Message string `json:"message"`
	}{f.Message})
}

// ErrorBody implements [Dialect]. AWS names the kind of an error in the header
// x-amzn-ErrorType, or in the body's __type, which every SDK reads in its absence
// (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization).
// The kinds are those of
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors.
func (bedrock) ErrorBody(f Fault) ([]byte, string) {
	return render(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{awsType(f.Status), f.Message})
}

// awsType is the kind of an error by its status. Of those SDKs try again what is
// throttled, unavailable or internal, and nothing else.
func awsType(status int) string {
	switch status {
	case 401, 403:
		return "AccessDeniedException"
	case 402:
		return "ServiceQuotaExceededException"
	case 404:
		return "ResourceNotFoundException"
	case 408, 504:
		return "ModelTimeoutException"
	case 409:
		return "ConflictException"
	case 429:
		return "ThrottlingException"
	case 503:
		return "ServiceUnavailableException"
	default:
		if status < 500 {
			return "ValidationException"
		}
		return "InternalServerException"
	}
}

// render marshals an error object. Structs of strings and integers always can be.
func render(v any) ([]byte, string) {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(`{}`), jsonType
	}
	return body, jsonType
}
