package dirvol

// OnlyRoot makes a volume do without the faster way to open files.
func (v *Vol) OnlyRoot() error {
	err := v.opener.close()
	v.opener = nil
	return err
}

var Product = product
