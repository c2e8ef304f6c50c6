package registry

// Condition is what a controller says of a service in its status.conditions, as
// the API has it (metav1.Condition).
type Condition struct {
	// Type is what it is about, such as svcreg.io/EndpointsAccepted.
	Type string
	// Status is True, False or Unknown.
	Status string
	// Reason is one word for why, for programs, and Message is for people.
	Reason, Message string
	// Since is when the status became what it is, in Unix seconds; zero for
	// unknown.
	Since int64
}

func (c *Condition) fields(out *coder) {
	text(out, &c.Type)
	text(out, &c.Status)
	text(out, &c.Reason)
	text(out, &c.Message)
	number(out, &c.Since)
}
