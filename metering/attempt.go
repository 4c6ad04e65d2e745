package metering

// Attempt is one request to an upstream on behalf of a call. A call that took
// more than one, or that another upstream than the one it named has answered,
// lists them all in order.
//
// The customer is billed the call once: by the usage of its event, which is
// that of the answer that was passed on. What another attempt has used is the
// operator's cost, and stands here alone.
type Attempt struct {
	Upstream   string `json:"upstream"`             // configured name
	Provider   string `json:"provider"`             // whose prices apply
	Endpoint   string `json:"endpoint"`             // host, and port if it is not the usual one
	Credential string `json:"credential,omitempty"` // last four characters of the operator's key
	Model      string `json:"model,omitempty"`      // as it was sent
	Status     int    `json:"status,omitempty"`     // of the provider's answer; 0: there was none
	ErrorCode  string `json:"error_code,omitempty"` // ours, or the provider's own
	Started    Micros `json:"started"`
	Ended      Micros `json:"ended,omitempty"` // when it had failed; 0 for the one whose answer was passed on
	ProviderID string `json:"provider_id,omitempty"`

	// Usage is what the provider reported of an attempt that failed; its state is
	// unknown where the provider may have generated something and said nothing.
	// nil: nothing was generated, or the answer was passed on.
	Usage *Usage `json:"usage,omitempty"`
}
