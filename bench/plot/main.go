// Command plot draws what `make bench-compare` measured.
//
//	plot ../bin/bench.json ../docs/benchmarks.svg
package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"log"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// comparison is the part of the file that is drawn.
type comparison struct {
	Targets []string            `json:"targets"`
	Results map[string][]result `json:"results"`
}

type result struct {
	PerSecond float64            `json:"lifecycles_per_second"`
	CPU       map[string]float64 `json:"cpu_seconds_per_1000"`
}

const width, height = 8 * vg.Inch, 3.2 * vg.Inch

var (
	blue   = color.RGBA{0x2b, 0x6c, 0xb0, 0xff}
	colors = map[string]color.RGBA{"app": blue, "postgres": {0x71, 0x9e, 0xce, 0xff}, "redis": {0xc5, 0x3d, 0x3d, 0xff}}
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: plot RESULTS.json PICTURE.svg")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal("plot: ", err)
	}
}

func run(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var c comparison
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if len(c.Targets) == 0 {
		return fmt.Errorf("%s has no results: make it with `make bench-compare`", from)
	}
	speed, err := c.speed()
	if err != nil {
		return err
	}
	cost, err := c.cost()
	if err != nil {
		return err
	}
	return save(to, speed, cost)
}

// frame is a plot of a column a service, with a line every so often.
func (c comparison) frame(title string, step float64) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	p.NominalX(c.Targets...)
	p.X.Min, p.X.Max, p.Y.Min = -0.6, float64(len(c.Targets))-0.4, 0
	p.Y.Tick.Marker = plot.TickerFunc(func(from, to float64) (ticks []plot.Tick) {
		for v := from; v <= to; v += step {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', -1, 64)})
		}
		return ticks
	})
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	p.Add(grid)
	return p
}

// speed is a bar a service, and every round as a point.
func (c comparison) speed() (*plot.Plot, error) {
	p := c.frame("complete lifecycles/s, median and rounds", 500)
	bars, err := plotter.NewBarChart(c.each(func(r result) float64 { return r.PerSecond }), vg.Points(36))
	if err != nil {
		return nil, err
	}
	bars.Color, bars.LineStyle.Width = blue, 0
	p.Add(bars)
	var rounds plotter.XYs
	for x, t := range c.Targets {
		for _, r := range c.Results[t] {
			rounds = append(rounds, plotter.XY{X: float64(x), Y: r.PerSecond})
		}
	}
	points, err := plotter.NewScatter(rounds)
	if err != nil {
		return nil, err
	}
	points.GlyphStyle = draw.GlyphStyle{Color: color.Black, Radius: vg.Points(1.6), Shape: draw.CircleGlyph{}}
	p.Add(points)
	return p, nil
}

// cost is what an order takes of the processors, by process.
func (c comparison) cost() (*plot.Plot, error) {
	p := c.frame("CPU ms an order", 0.5)
	p.Legend.Top = true
	var below *plotter.BarChart
	for _, process := range []string{"app", "postgres", "redis"} {
		bars, err := plotter.NewBarChart(c.each(func(r result) float64 { return r.CPU[process] }), vg.Points(36))
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = colors[process], 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		p.Add(bars)
		p.Legend.Add(process, bars)
	}
	return p, nil
}

// each is the median of a figure for each service.
func (c comparison) each(figure func(result) float64) plotter.Values {
	values := make(plotter.Values, len(c.Targets))
	for i, t := range c.Targets {
		var list []float64
		for _, r := range c.Results[t] {
			list = append(list, figure(r))
		}
		slices.Sort(list)
		if len(list) > 0 {
			values[i] = (list[(len(list)-1)/2] + list[len(list)/2]) / 2
		}
	}
	return values
}

// save draws plots side by side.
func save(file string, plots ...*plot.Plot) error {
	canvas := vgsvg.New(width, height)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Points(18), PadTop: vg.Points(6), PadBottom: vg.Points(6), PadLeft: vg.Points(6), PadRight: vg.Points(6)}
	for i, row := 0, plot.Align([][]*plot.Plot{plots}, tiles, draw.New(canvas)); i < len(plots); i++ {
		plots[i].Draw(row[0][i])
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
