package dirvol

// OnlyRoot makes a volume do without the faster way to open files.
func (v *Vol) OnlyRoot() error {
	err := v.opener.close()
	v.opener = nil
	return err
}

// LikeFAT makes a volume treat its file system as one whose directories say what files are.
func (v *Vol) LikeFAT() { v.kind.entries = true }
