package codec

// Merge is written next.
func (d *Document) Merge(stored *Document) error { return nil }

// Validate is written next.
func (d *Document) Validate() error { _, err := d.Object(); return err }
