package xo

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/beamrider/remora"
)

// A Report is what is kept of a check beside the bundle: what is in it, and what was found fault with.
type Report struct {
	Inventory Inventory
	Warnings  []Problem
}

// maxReport bounds a report, in bytes unpacked. The names of a bundle have 8 MiB at most, and each
// of their bytes six characters in JSON.
const maxReport = 64 << 20

// The coders are used by all; each is a few MiB.
var (
	reportEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	})
	reportDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxReport))
	})
)

// Encode returns the report as compressed JSON (zstd), for [ParseReport].
func (r *Report) Encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	encoder, err := reportEncoder()
	if err != nil {
		return nil, err
	}
	return encoder.EncodeAll(text, nil), nil
}

// ParseReport reads what [Report.Encode] wrote. Fields of a newer version of the program are left
// out. What it cannot read is KindCorrupt, code "report.corrupt"; what is larger than any report
// KindTooLarge, before it is unpacked.
func ParseReport(b []byte) (*Report, error) {
	decoder, err := reportDecoder()
	if err != nil {
		return nil, err
	}
	text, err := decoder.DecodeAll(b, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, remora.Errorf(remora.KindTooLarge, "report.size", "The report of the bundle is larger than %d bytes.", maxReport)
	}
	var r Report
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindCorrupt, Op: "xo.ParseReport", Code: "report.corrupt", Message: "The report of the bundle cannot be read.", Err: err}
	}
	return &r, nil
}
