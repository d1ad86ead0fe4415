package app

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/orderflow/orderflow/config"
)

// NewLogger is a logger as the settings want it: JSON for machines, aligned
// lines for people. More than 100 equal lines in a second are sampled, so that
// a storm of one error does not hide the others.
func NewLogger(c config.Log, w io.Writer) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.TimeKey, encoder.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	encoder.EncodeDuration = zapcore.StringDurationEncoder
	form := zapcore.NewJSONEncoder(encoder)
	if c.Format == "console" {
		encoder.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoder.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder.ConsoleSeparator = "  "
		form = zapcore.NewConsoleEncoder(encoder)
	}
	core := zapcore.NewCore(form, zapcore.Lock(zapcore.AddSync(w)), level)
	return zap.New(zapcore.NewSamplerWithOptions(core, 1e9, 100, 100)), nil
}

// StandardLog has the standard library's log go to ours until restore is called.
// net/http writes there what it has no better place for, such as what a server
// sends without being asked: a stranger's bytes.
func StandardLog(log *zap.Logger) (restore func()) { return zap.RedirectStdLog(log.Named("std")) }
